"""Reading a directory of instruments, and the one that comes with finsentry."""

from pathlib import Path

import pytest

from stream_worker.directory import load_directory
from stream_worker.domain.instruments import Alias, Care, Kind, parse_directory
from stream_worker.errors import ConfigurationError

HEADER = "id,kind,name,symbols,aliases,sector"
APPLE = "apple,equity,Apple Inc.,AAPL,apple inc|~Apple|!apple daily,Information Technology"
GM = "general-motors,equity,General Motors,gm,general motors|=GM,"


def test_rows_become_instruments_found_by_id_and_symbol() -> None:
    directory = parse_directory([HEADER, APPLE, GM])
    apple = directory.by_symbol["AAPL"]
    assert apple is directory.get("apple")
    assert apple.kind is Kind.EQUITY
    assert apple.aliases == (
        Alias("apple inc", Care.ANY_CASE),
        Alias("Apple", Care.CONFIRMED),
        Alias("apple daily", Care.NOT_THIS),
    )
    assert directory.by_symbol["GM"].aliases[1] == Alias("GM", Care.EXACT)
    assert directory.get("nothing") is None


def test_the_version_follows_the_content_and_not_the_order() -> None:
    version = parse_directory([HEADER, APPLE, GM]).version
    assert parse_directory([HEADER, GM, APPLE]).version == version
    assert parse_directory([HEADER, APPLE, GM.replace("=GM", "~GM")]).version != version
    assert len(version) == 12


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("apple,equity,Other,OTH,other,", "id 'apple' is taken"),
        ("Apple Two,equity,Other,OTH,other,", "lower-case"),
        ("other,bond,Other,OTH,other,", "kind 'bond' is none of equity"),
        ("other,equity, ,OTH,other,", "the name is empty"),
        ("other,equity,Other,AAPL,other,", "symbol 'AAPL' is claimed by 'apple' too"),
        ("other,equity,Other,OTH,APPLE,", "alias 'APPLE' is claimed by 'apple' too"),
        ("other,equity,Other,OTH,other||more,", "an empty entry"),
        ("other,equity,Other,OTH,other|other,", "occurs twice"),
        ("other,equity,Other,OTH,~,", "has no words"),
        ("other,equity,Other,,!only this,", "nothing could ever name it"),
        ("other,equity,Other", "expected 6 columns"),
        ("other,equity,Other,OTH,other,,surplus", "expected 6 columns"),
    ],
)
def test_a_bad_row_is_refused_with_its_line_and_reason(row: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=f"line 3: .*{reason}"):
        parse_directory([HEADER, APPLE, row])


@pytest.mark.parametrize("lines", [[], ["id,name", "apple,Apple"], [HEADER]])
def test_a_directory_without_header_or_rows_is_refused(lines: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        parse_directory(lines)


def test_the_built_in_directory_holds_what_streams_are_about() -> None:
    directory = load_directory()
    symbols = [
        "AAPL",
        "MSFT",
        "BRK.B",
        "GOOGL",
        "FB",
        "META",
        "LEH",
        "WAMUQ",
        "FNMA",
        "YHOO",
        "PCLN",
        "BABA",
        "SPX",
        "VIX",
        "XAU",
        "BTC",
        "EURUSD",
    ]
    assert [symbol for symbol in symbols if symbol not in directory.by_symbol] == []
    assert {instrument.kind for instrument in directory.instruments.values()} == set(Kind)
    assert len(directory.instruments) > 650


def test_a_directory_of_ones_own_replaces_the_built_in_one(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(f"{HEADER}\n{APPLE}\n", encoding="utf-8")
    assert list(load_directory(path).instruments) == ["apple"]


def test_a_directory_that_cannot_be_read_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Cannot read"):
        load_directory(tmp_path / "none.csv")
