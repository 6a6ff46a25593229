"""Which instruments a headline names, with the built-in directory."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_worker.directory import built_in_directory
from stream_worker.domain.directory_file import parse_directory
from stream_worker.domain.linking import Linker
from stream_worker.domain.mentions import Entity, EntityType, MatchedBy, Mention, Span

LINKER = Linker(built_in_directory())
DAY = date(2015, 6, 1)


def entity(text: str, words: str, kind: EntityType = EntityType.ORGANISATION) -> Entity:
    start = text.index(words)
    return Entity(Span(start, start + len(words)), kind)


def link(text: str, entities: Sequence[Entity] = (), day: date = DAY) -> tuple[Mention, ...]:
    return LINKER.link(text, entities, day)


def linked(text: str, *entities: Entity, day: date = DAY) -> dict[str, str]:
    """Words by instrument, of mentions that have one."""
    return {m.text: m.instrument_id for m in link(text, entities, day) if m.instrument_id}


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
        ("GOLDMAN SACHS FILES, HERSHEY GAINS", {"GOLDMAN SACHS": "goldman-sachs", "HERSHEY": "hershey"}),
        ("GM rises, gm falls, GMAC flat", {"GM": "general-motors"}),
        ("Dow up, S&P 500 down", {"Dow": "dow-jones-industrial-average", "S&P 500": "s-and-p-500"}),
        ("Dow Chemical gains", {"Dow Chemical": "dow"}),
        ("Gold falls as dollar gains", {"Gold": "gold", "dollar": "us-dollar"}),
        ("He wins gold medal on Gold Coast for a golden girl", {}),
        ("Sells bonds for 500 million euro and 100 yen, CHF 64 mln", {}),
        ("EUR/USD 1.1234 after the Fed", {"EUR/USD": "euro", "Fed": "federal-reserve"}),
        ("Hong Kong dollar steady", {"Hong Kong dollar": "hong-kong-dollar"}),
        ("See http://microsoft.com/goldman and x@Microsoft or boeing.com, RT @Boeing: hi", {}),
        ("Thanks @Microsoft", {"Microsoft": "microsoft"}),
        ("Coca-Cola Hellenic warns", {"Coca-Cola Hellenic": "coca-cola-hbc"}),
        ("", {}),
    ],
)
def test_cashtags_and_aliases_name_instruments(text: str, expected: dict[str, str]) -> None:
    assert linked(text) == expected


def test_a_common_word_counts_only_where_the_model_sees_an_organisation_of_that_name() -> None:
    text = "Apple and Target like Apple Pie"
    assert linked(text) == {}
    assert linked(text, entity(text, "Target"), entity(text, "Apple Pie")) == {"Target": "target"}
    assert linked("APPLE SOARS", Entity(Span(0, 5), EntityType.ORGANISATION)) == {"APPLE": "apple"}
    assert linked("An apple a day", Entity(Span(3, 8), EntityType.ORGANISATION)) == {}
    assert linked("Orange and Apple", Entity(Span(11, 16), EntityType.LOCATION)) == {}


def test_a_common_word_counts_beside_its_cashtag() -> None:
    assert linked("Apple is cheap $AAPL") == {"Apple": "apple", "$AAPL": "apple"}
    assert linked("Apple is cheap $MSFT") == {"$MSFT": "microsoft"}


def test_an_organisation_is_recognised_without_its_legal_form_and_possessive() -> None:
    text = "Target Corp's sales rise at Oracle Inc."
    mentions = link(text, [entity(text, "Target Corp's"), entity(text, "Oracle Inc")])
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
    assert link(text, entities) == (
        Mention(Span(0, 6), "Merkel", EntityType.PERSON, None, None),
        Mention(Span(13, 19), "Boeing", EntityType.ORGANISATION, "boeing", MatchedBy.ALIAS),
        Mention(Span(23, 29), "Berlin", EntityType.LOCATION, None, None),
        Mention(Span(33, 36), "oil", None, "crude-oil", MatchedBy.ALIAS),
    )


def test_words_inside_a_person_a_place_or_another_firm_name_do_not_count() -> None:
    text = "Michael Kellogg visits Toyota Field and Harmonious Gold Mining"
    assert linked(text) == {"Kellogg": "kellogg", "Toyota": "toyota", "Gold": "gold"}
    found = linked(
        text,
        entity(text, "Michael Kellogg", EntityType.PERSON),
        entity(text, "Toyota Field", EntityType.LOCATION),
        entity(text, "Harmonious Gold Mining"),
    )
    assert found == {}


def test_offsets_hold_where_lower_case_is_longer() -> None:
    text = "İİİ Boeing"
    assert [m.span for m in link(text)] == [Span(4, 10)]


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
    mentions = link(text, entities)
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
    assert len(link(text, entities)) == 5_000
    names = ("CHINA ", "China Is ", "CHINA-", "Apple is ", "Target and ", "Prudential or ", "via Apple ")
    for hostile in (*(name * (60_000 // len(name)) for name in names), "A" * 60_000 + " China"):
        link(hostile)


AUTUMN = date(2008, 9, 15)


@pytest.mark.parametrize(
    ("text", "day", "expected"),
    [
        ("EXCLUSIVE-Lehman-linked notes hit Fortis", AUTUMN, {"Lehman": "lehman-brothers", "Fortis": "fortis"}),
        ("Lehman notes", date(2016, 1, 1), {}),
        ("Kraft replaces AIG", AUTUMN, {"Kraft": "mondelez-international", "AIG": "aig"}),
        ("Kraft cuts jobs", date(2016, 1, 1), {"Kraft": "kraft-heinz"}),
        ("Facebook is popular", AUTUMN, {}),
        ("Facebook is popular", date(2016, 1, 1), {"Facebook": "meta-platforms"}),
    ],
)
def test_a_name_means_whose_it_was_on_the_day(text: str, day: date, expected: dict[str, str]) -> None:
    assert linked(text, day=day) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Gap shares fall", "gap"),
        ("Gap widens between rich and poor", None),
        ("Shares in Target drop", "target"),
        ("Target price cut", None),
        ("Apple unveils an iPad", "apple"),
        ("Apple harvest begins", None),
        ("Visa to buy a rival", "visa"),
        ("Visa rules eased", None),
    ],
)
def test_a_common_word_counts_where_its_neighbours_are_of_markets(text: str, expected: str | None) -> None:
    assert [m.instrument_id for m in link(text)] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Prudential grows in Asia", "prudential-plc"),
        ("Prudential sells annuities", "prudential-financial"),
    ],
)
def test_a_shared_name_means_whom_the_context_speaks_for(text: str, expected: str) -> None:
    assert [m.instrument_id for m in link(text)] == [expected]


def test_tickers_count_with_their_exchange_and_beside_their_company_also_as_hashtags() -> None:
    assert linked("Ford Motor (NYSE: F) recalls") == {"Ford Motor": "ford-motor", "F": "ford-motor"}
    assert linked("Why Facebook (FB) and #FB rise") == {"Facebook": "meta-platforms", "FB": "meta-platforms"}
    assert linked("#F is a grade (F)") == {}


def test_countries_do_not_count_in_sport_headings_and_as_where_someone_is_from() -> None:
    assert linked("China slows") == {"China": "china"}
    for text in (
        *("SOCCER-China beat Japan", "CHINA STOCKS-Up", "China's Xiaomi rises", "China Nikkei", "Tesco's China stores"),
        *("Hotel siege in China over", "$MSFT:China"),
    ):
        assert "china" not in linked(text).values(), text
    assert linked("Nokia sees growth in China") == {"Nokia": "nokia", "China": "china"}
    assert linked("China Has Reached A Crossroad") == {"China": "china"}


def test_who_told_it_is_not_what_it_is_about() -> None:
    assert linked("Amazon's doing well, via Macquarie $AMZN") == {"Amazon": "amazon", "$AMZN": "amazon"}


def small(*rows: str) -> Linker:
    return Linker(parse_directory(["id,kind,name,symbols,aliases,sector,context,valid_from,valid_to", *rows]))


def test_words_that_hide_do_so_on_days_when_nobody_is_called_so() -> None:
    linker = small(
        "coal,commodity,Coal,,coal|!coal india,,,,", "coal-india,equity,Coal India,,Coal India,,,2010-11-04,"
    )
    for day, expected in ((AUTUMN, []), (DAY, ["coal-india"])):
        assert [mention.instrument_id for mention in linker.link("Coal India cuts output", (), day)] == expected


def test_what_is_no_organisation_is_not_confirmed_by_one_of_its_name() -> None:
    linker = small("rand,currency,Rand,ZAR,~Rand,,pretoria,,")
    text = "Rand says so"
    assert linker.link(text, [entity(text, "Rand")], DAY)[0].instrument_id is None
    assert linker.link("Rand slips in Pretoria", (), DAY)[0].instrument_id == "rand"


def test_an_authority_counts_inside_the_name_of_who_speaks_for_it() -> None:
    text = "BOJ Kuroda: no change"
    assert "bank-of-japan" in linked(text, entity(text, "BOJ Kuroda", EntityType.PERSON)).values()
