"""Which texts the models may read. The rates are printed; see them with `pytest -s`."""
# ruff: noqa: T201

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_worker.domain.language import Abstention, Language, LanguageIdentifier
from stream_worker.domain.language_profiles import PROFILES

TEN_LANGUAGES = ("de", "fr", "es", "it", "pt", "nl", "pl", "tr", "ru", "zh")
HEADLINES = Path(__file__).parent.parent / "data" / "foreign_headlines.tsv"
NOT_ENGLISH = HEADLINES.with_name("labelled_rows_not_in_english.txt")
LABELLED = ("sentiment", "targets", "entities", "topics")


@pytest.fixture(scope="module")
def identifier() -> LanguageIdentifier:
    """English alone is known; the statistical model is loaded."""
    identifier = LanguageIdentifier({"en"})
    identifier.identify("lorem ipsum dolor")
    return identifier


def foreign_headlines(held_out: bool) -> Iterator[tuple[str, str]]:
    seen: dict[str, int] = defaultdict(int)
    for line in HEADLINES.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            language, text = line.split("\t")
            seen[language] += 1
            if (seen[language] % 2 == 0) == held_out:
                yield language, text


def labelled_rows() -> dict[str, dict[str, str]]:
    """Texts by id, by source."""
    folder = os.environ.get("FINSENTRY_DATA")
    if folder is None:
        pytest.skip("FINSENTRY_DATA is not set")
    rows: dict[str, dict[str, str]] = defaultdict(dict)
    for path in (Path(folder) / name / f"{split}.jsonl" for name in LABELLED for split in ("train", "test")):
        with path.open(encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                rows[f"{path.parent.name}/{row['source']}"][row["id"]] = row["text"]
    return rows


@pytest.mark.parametrize(
    "text",
    [
        "Apple soars as Nokia cuts outlook",
        "UPDATE 2-Fortis shares fall 12 pct",
        "Rio de Janeiro court halts Vale's mine",
        "Deutsche Bank und Partner AG says profit rises on bond trading",
        "$AAPL",
        "$TSLA 🚀🚀🚀",
        "2,707.00 +25.00",
        "lol",
        "Société Générale cuts Nestlé to sell",
    ],
)
def test_english_and_what_reads_like_it_is_known(identifier: LanguageIdentifier, text: str) -> None:
    assert identifier.identify(text) == Language("en")


@pytest.mark.parametrize("text", ["🚀🚀🚀", "♥ . . ) )", "", " - "])
def test_text_with_neither_letters_nor_digits_has_no_words(identifier: LanguageIdentifier, text: str) -> None:
    assert identifier.identify(text) == Language(None, Abstention.NO_WORDS)


def test_a_cashtag_and_a_link_do_not_make_foreign_prose_english(identifier: LanguageIdentifier) -> None:
    text = "$AAPL وظائف جديدة في شركة آبل http://example.com/some/long/english/address/with/the/and"
    assert identifier.identify(text).abstention is Abstention.OTHER_LANGUAGE


@pytest.mark.parametrize("held_out", [False, True])
def test_at_least_95_percent_of_headlines_in_ten_other_languages_abstain(
    identifier: LanguageIdentifier, held_out: bool
) -> None:
    headlines = list(foreign_headlines(held_out))
    scored = [(language, text) for language, text in headlines if identifier.identify(text).code]
    print(
        f"\nheld out: {held_out}; abstained from {len(headlines) - len(scored)} of {len(headlines)}; scored: {scored}"
    )
    ten = [text for language, text in headlines if language in TEN_LANGUAGES]
    missed = [text for language, text in scored if language in TEN_LANGUAGES]
    assert len(ten) == 150
    assert len(missed) <= 0.05 * len(ten)


def test_a_declaration_decides_what_is_doubtful_and_nothing_else(identifier: LanguageIdentifier) -> None:
    doubtful = "Akzo Nobel Philips Randstad Heineken"
    assert identifier.identify(doubtful, declared="en-GB") == Language("en")
    assert identifier.identify(doubtful, declared="nl").abstention is Abstention.OTHER_LANGUAGE
    assert identifier.identify("Apple soars as Nokia cuts outlook", declared="nl") == Language("en")
    assert identifier.identify("Borsa di Milano in rosso, pesano i titoli petroliferi", declared="en").code is None


def test_a_language_that_is_added_to_the_known_ones_is_named() -> None:
    both = LanguageIdentifier({"en", "zh"})
    assert both.identify("阿里巴巴季度营收超出市场预期").code == "zh"
    assert both.identify("Apple soars as Nokia cuts outlook").code == "en"
    assert both.identify("Газпром сократит добычу в этом году").code is None


def test_knowing_no_language_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        LanguageIdentifier(())


@pytest.mark.parametrize("code", PROFILES)
def test_no_word_of_a_profile_speaks_for_and_against_it(code: str) -> None:
    profile = PROFILES[code]
    assert not profile.foreign & (profile.telling | profile.frequent)
    assert all(word == word.lower() for word in profile.telling | profile.frequent | profile.foreign)


def test_at_most_3_in_1000_labelled_english_rows_of_any_source_abstain(identifier: LanguageIdentifier) -> None:
    """Some sources hold posts in other languages; the file of their ids says how they were found."""
    not_english = frozenset(NOT_ENGLISH.read_text(encoding="utf-8").split())
    rates = {}
    for source, rows in sorted(labelled_rows().items()):
        started = time.perf_counter()
        refused = {row for row, text in rows.items() if identifier.identify(text).code is None}
        microseconds = (time.perf_counter() - started) / len(rows) * 1e6
        foreign = not_english & rows.keys()
        rates[source] = len(refused - foreign) / (len(rows) - len(foreign))
        print(
            f"\n{source}: {len(refused)} of {len(rows)} abstain, {len(refused & foreign)} of them not in English, "
            f"so {rates[source]:.2%} of the English rows; {microseconds:.0f} µs each",
            end="",
        )
        assert microseconds < 150
    assert {source: rate for source, rate in rates.items() if rate > 0.003} == {}
