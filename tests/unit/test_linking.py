"""Which instruments a headline names, with the built-in directory."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_worker.directory import load_directory
from stream_worker.domain.linking import Linker
from stream_worker.domain.mentions import Entity, EntityType, MatchedBy, Mention, Span

LINKER = Linker(load_directory())


def entity(text: str, words: str, kind: EntityType = EntityType.ORGANISATION) -> Entity:
    start = text.index(words)
    return Entity(Span(start, start + len(words)), kind)


def linked(text: str, *entities: Entity) -> dict[str, str]:
    """Words by instrument, of mentions that have one."""
    return {m.text: m.instrument_id for m in LINKER.link(text, entities) if m.instrument_id}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Long $AAPL and $brk-b, short $fb.",
            {"$AAPL": "apple", "$brk-b": "berkshire-hathaway", "$fb": "meta-platforms"},
        ),
        ("Pays $10 or US$T or $$T or $AAPLX", {}),
        ("Goldman Sachs's profit beats AT&T", {"Goldman Sachs": "goldman-sachs", "AT&T": "at-and-t"}),
        ("goldman sachs upgrades microsoft", {"goldman sachs": "goldman-sachs", "microsoft": "microsoft"}),
        ("LEHMAN BROTHERS FILES, HERSHEY GAINS", {"LEHMAN BROTHERS": "lehman-brothers", "HERSHEY": "hershey"}),
        ("EXCLUSIVE-Lehman-linked notes hit Fortis", {"Lehman": "lehman-brothers", "Fortis": "fortis"}),
        ("GM rises, gm falls, GMAC flat", {"GM": "general-motors"}),
        ("Dow up, S&P 500 down", {"Dow": "dow-jones-industrial-average", "S&P 500": "s-and-p-500"}),
        ("Dow Chemical gains", {"Dow Chemical": "dow"}),
        ("Gold falls as dollar gains", {"Gold": "gold", "dollar": "us-dollar"}),
        ("He wins gold medal on Gold Coast for a golden girl", {}),
        ("Sells bonds for 500 million euro and 100 yen, CHF 64 mln", {}),
        ("Hong Kong dollar steady", {"Hong Kong dollar": "hong-kong-dollar"}),
        ("See http://microsoft.com/goldman and @Microsoft or boeing.com", {}),
        ("Coca-Cola Hellenic warns", {}),
        ("", {}),
    ],
)
def test_cashtags_and_aliases_name_instruments(text: str, expected: dict[str, str]) -> None:
    assert linked(text) == expected


def test_a_common_word_counts_only_where_the_model_sees_an_organisation_of_that_name() -> None:
    text = "Apple and Target beat; Apple Pay grows"
    assert linked(text) == {}
    assert linked(text, entity(text, "Target"), entity(text, "Apple Pay")) == {"Target": "target"}
    assert linked("APPLE SOARS", Entity(Span(0, 5), EntityType.ORGANISATION)) == {"APPLE": "apple"}
    assert linked("An apple a day", Entity(Span(3, 8), EntityType.ORGANISATION)) == {}
    assert linked("Orange and Apple", Entity(Span(11, 16), EntityType.LOCATION)) == {}


def test_a_common_word_counts_beside_its_cashtag() -> None:
    assert linked("Apple is cheap $AAPL") == {"Apple": "apple", "$AAPL": "apple"}
    assert linked("Apple is cheap $MSFT") == {"$MSFT": "microsoft"}


def test_an_organisation_is_recognised_without_its_legal_form_and_possessive() -> None:
    text = "Target Corp's sales rise at Oracle Inc."
    mentions = LINKER.link(text, [entity(text, "Target Corp's"), entity(text, "Oracle Inc")])
    assert [(m.text, m.instrument_id, m.type) for m in mentions] == [
        ("Target Corp's", "target", EntityType.ORGANISATION),
        ("Oracle Inc", "oracle", EntityType.ORGANISATION),
    ]


def test_every_entity_is_a_mention_and_knows_its_type() -> None:
    text = "Merkel meets Boeing in Berlin as oil prices fall"
    entities = [
        entity(text, "Merkel", EntityType.PERSON),
        entity(text, "Boeing"),
        entity(text, "Berlin", EntityType.LOCATION),
    ]
    assert LINKER.link(text, entities) == (
        Mention(Span(0, 6), "Merkel", EntityType.PERSON, None, None),
        Mention(Span(13, 19), "Boeing", EntityType.ORGANISATION, "boeing", MatchedBy.ALIAS),
        Mention(Span(23, 29), "Berlin", EntityType.LOCATION, None, None),
        Mention(Span(33, 43), "oil prices", None, "crude-oil", MatchedBy.ALIAS),
    )


def test_words_inside_a_person_a_place_or_another_firm_name_do_not_count() -> None:
    text = "Michael Dell visits Toyota Field and Harmony Gold Mining"
    assert linked(text) == {"Dell": "dell-technologies", "Toyota": "toyota"}
    found = linked(
        text,
        entity(text, "Michael Dell", EntityType.PERSON),
        entity(text, "Toyota Field", EntityType.LOCATION),
        entity(text, "Harmony Gold Mining"),
    )
    assert found == {}


def test_offsets_hold_where_lower_case_is_longer() -> None:
    text = "İİİ Boeing"
    assert [m.span for m in LINKER.link(text, ())] == [Span(4, 10)]


WORDS = st.sampled_from(
    ["Apple", "$AAPL", "Gold", "gold medal", "Dow", "Dow Chemical", "S&P 500", "of", "U.S. dollar", "Dell's", "İ", "€"]
)


@given(st.lists(WORDS, max_size=12), st.data())
def test_mentions_are_sorted_say_their_words_and_instruments_do_not_overlap(
    words: list[str], data: st.DataObject
) -> None:
    text = " ".join(words)
    ends = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    entities = [
        Entity(Span(start, end), data.draw(st.sampled_from(EntityType)))
        for start, end in zip(ends[::2], ends[1::2], strict=False)
    ]
    mentions = LINKER.link(text, entities)
    assert list(mentions) == sorted(mentions, key=lambda mention: mention.span)
    assert all(mention.text == text[mention.span.start : mention.span.end] for mention in mentions)
    assert {entity.span for entity in entities} <= {mention.span for mention in mentions}
    spans = [mention.span for mention in mentions if mention.instrument_id]
    assert all(before.end <= behind.start for before, behind in pairwise(spans))


def test_a_text_of_many_names_addresses_and_entities_takes_linear_time() -> None:
    text = "http://example.org/Microsoft Microsoft " * 5_000
    entities = [
        Entity(Span(start, start + 9), EntityType.ORGANISATION) for start in range(29, len(text), len(text) // 5_000)
    ]
    # Every name against every address and entity would take a minute.
    assert len(LINKER.link(text, entities)) == 5_000
