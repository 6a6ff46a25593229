"""Reading a directory of instruments, and the one that comes with finsentry."""

from datetime import date

import pytest

from stream_worker.directory import built_in_directory
from stream_worker.domain.directory_file import format_directory, parse_directory
from stream_worker.domain.instruments import Alias, Care, Directory, Kind, Symbol, Validity
from stream_worker.errors import ConfigurationError

HEADER = "id,kind,name,symbols,aliases,sector,context,valid_from,valid_to"
APPLE = "apple,equity,Apple Inc.,XNAS:AAPL,apple inc|~Apple|!apple daily,Information Technology,iPhone|mac,,"
GM = "general-motors,equity,General Motors,gm,general motors|=GM,,,,"
AUTUMN = date(2008, 10, 1)


def test_rows_become_instruments_found_by_id_and_ticker() -> None:
    directory = parse_directory([HEADER, APPLE, GM])
    apple = directory.with_ticker("aapl", AUTUMN)
    assert apple is not None
    assert apple is directory.get("apple")
    assert apple.kind is Kind.EQUITY
    assert apple.symbols == (Symbol("XNAS", "AAPL"),)
    assert apple.context == {"iphone", "mac"}
    assert apple.aliases == (
        Alias("apple inc", Care.ANY_CASE),
        Alias("Apple", Care.CONFIRMED),
        Alias("apple daily", Care.NOT_THIS),
    )
    assert directory.instruments["general-motors"].aliases[1] == Alias("GM", Care.EXACT)
    assert directory.get("nothing") is None
    assert directory.with_ticker("NONE", AUTUMN) is None


def test_a_ticker_is_whose_it_was_on_the_day() -> None:
    directory = parse_directory(
        [
            HEADER,
            "kraft,equity,Kraft Foods,XNYS:KFT@2001-06-13/2012-10-01,Kraft@/2012-10-01,,,,",
            "meta,equity,Meta,XNAS:FB@2012-05-18/2022-06-09|XNAS:META@2022-06-09/,facebook,,,2012-05-18,",
            "falconbridge,equity,Falconbridge,XNAS:FB@/2006-08-01,falconbridge,,,,2006-08-01",
        ]
    )

    def owner(ticker: str, day: date) -> str | None:
        instrument = directory.with_ticker(ticker, day)
        return None if instrument is None else instrument.id

    assert owner("KFT", date(2012, 9, 30)) == "kraft"
    assert owner("KFT", date(2012, 10, 1)) is None
    assert owner("FB", date(2005, 1, 1)) == "falconbridge"
    assert owner("FB", AUTUMN) is None
    assert owner("FB", date(2016, 1, 1)) == "meta"
    assert owner("META", date(2022, 6, 9)) == "meta"


def test_a_ticker_of_several_exchanges_is_the_american_one() -> None:
    directory = parse_directory(
        [HEADER, "vale-of-london,equity,Vale,XLON:GE,vale london,,,,", "ge,equity,GE,XNYS:GE,general electric,,,,"]
    )
    found = directory.with_ticker("GE", AUTUMN)
    assert found is not None
    assert found.id == "ge"


def test_names_may_change_hands_but_belong_to_one_at_a_time() -> None:
    old = "kraft-foods,equity,Kraft Foods,KFT,Kraft@/2012-10-01,,,,"
    new = "kraft-heinz,equity,Kraft Heinz,KHC,Kraft@2015-07-06/,,,,"
    assert len(parse_directory([HEADER, old, new]).instruments) == 2
    with pytest.raises(ConfigurationError, match="line 3: alias 'Kraft' is claimed by 'kraft-foods' too"):
        parse_directory([HEADER, old, new.replace("2015-07-06/", "2012-09-30/")])
    with pytest.raises(ConfigurationError, match="symbol 'KFT' is claimed"):
        parse_directory([HEADER, old, new.replace("KHC", "KFT")])


def test_an_alias_may_be_shared_where_all_but_one_need_it_confirmed() -> None:
    american = "prudential-financial,equity,Prudential Financial,PRU,Prudential,,,,"
    british = "prudential-plc,equity,Prudential plc,XLON:PRU,~Prudential,,asia|british,,"
    assert len(parse_directory([HEADER, american, british]).instruments) == 2
    with pytest.raises(ConfigurationError, match="claimed"):
        parse_directory([HEADER, american, british.replace("~", "")])


def test_the_version_follows_the_content_and_not_the_order() -> None:
    version = parse_directory([HEADER, APPLE, GM]).version
    assert parse_directory([HEADER, GM, APPLE]).version == version
    assert parse_directory([HEADER, GM, APPLE.replace("iPhone|mac", "mac|iphone")]).version == version
    assert parse_directory([HEADER, APPLE, GM.replace("=GM", "~GM")]).version != version
    assert len(version) == 12


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("apple,equity,Other,OTH,other,,,,", "id 'apple' is taken"),
        ("Apple Two,equity,Other,OTH,other,,,,", "lower-case"),
        ("other-,equity,Other,OTH,other,,,,", "single hyphens"),
        ("other,bond,Other,OTH,other,,,,", "kind 'bond' is none of equity"),
        ("other,equity, ,OTH,other,,,,", "the name is empty"),
        ("other,equity,Other,XNAS:AAPL,other,,,,", "symbol 'AAPL' is claimed by 'apple' too"),
        ("other,equity,Other,O TH,other,,,,", "is not TICKER or EXCHANGE:TICKER"),
        ("other,equity,Other,OTH,APPLE INC,,,,", "alias 'APPLE INC' is claimed by 'apple' too"),
        ("other,equity,Other,OTH,other||more,,,,", "an empty entry"),
        ("other,equity,Other,OTH,other|other,,,,", "occurs twice"),
        ("other,equity,Other,OTH,~,,,,", "has no words"),
        ("other,equity,Other,OTH,other@2008-02-30/,,,,", "'2008-02-30' is not a day"),
        ("other,equity,Other,OTH,other,,,2009-01-01,2008-01-01", "2009-01-01 is not before 2008-01-01"),
        ("other,equity,Other,,!only this,,,,", "nothing could ever name it"),
        ("other,equity,Other", "expected 9 columns"),
        ("other,equity,Other,OTH,other,,,,,surplus", "expected 9 columns"),
    ],
)
def test_a_bad_row_is_refused_with_its_line_and_reason(row: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=f"line 3: .*{reason}"):
        parse_directory([HEADER, APPLE, row])


@pytest.mark.parametrize("lines", [[], ["id,name", "apple,Apple"], [HEADER]])
def test_a_directory_without_header_or_rows_is_refused(lines: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        parse_directory(lines)


def test_validities_share_days_as_half_open_ranges_do() -> None:
    first, second = Validity(None, date(2009, 1, 1)), Validity(date(2009, 1, 1), None)
    assert date(2008, 12, 31) in first
    assert date(2009, 1, 1) not in first
    assert not first.overlaps(second)
    assert first.overlaps(Validity(date(2008, 12, 31), date(2010, 1, 1)))
    assert first.within(second) == Validity(date(2009, 1, 1), date(2009, 1, 1))


@pytest.fixture(scope="module")
def built_in() -> Directory:
    return built_in_directory()


def test_the_built_in_directory_holds_what_streams_are_about(built_in: Directory) -> None:
    tickers = {
        "AAPL": "apple", "MSFT": "microsoft", "BRK.B": "berkshire-hathaway", "GOOGL": "alphabet",
        "LEH": "lehman-brothers", "FNM": "fannie-mae", "YHOO": "yahoo", "SPX": "s-and-p-500", "VIX": "vix",
        "XAU": "gold", "EURUSD": "euro",
    }  # fmt: skip
    day = date(2008, 9, 1)
    found = {ticker: instrument.id for ticker in tickers if (instrument := built_in.with_ticker(ticker, day))}
    assert found | {"GOOGL": "alphabet"} == tickers
    assert {instrument.kind for instrument in built_in.instruments.values()} == set(Kind)
    assert len(built_in.instruments) > 1200


def test_the_built_in_file_is_as_export_writes_it(built_in: Directory) -> None:
    again = parse_directory(format_directory(built_in.instruments.values()).splitlines())
    assert again.version == built_in.version


def test_finding_puts_what_is_called_just_so_first(built_in: Directory) -> None:
    assert built_in.find("AAPL")[0].id == "apple"
    assert built_in.find("goldman")[0].id == "goldman-sachs"
    assert built_in.find("no such thing at all") == []
