"""Instruments from the lists of what trades on American exchanges, with rules against dangerous aliases.

Three lists are read, known by their header: Nasdaq Trader's of Nasdaq and of the other exchanges, and the SEC's of
tickers, which has what trades over the counter as well and says since when a company can have been there. What is
neither a share nor a fund that trades is passed over: warrants, rights, units, preferred shares, notes, test issues.
"""

import csv
import itertools
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from tokenizers import Tokenizer

from stream_worker.domain.instruments import ALWAYS, Alias, Care, Directory, Instrument, Kind, Symbol, Validity
from stream_worker.errors import ConfigurationError
from stream_worker.inference.contract import read_pair

#: Numbers that the SEC gave in the first days of a year. They are given in order, so a company is at least as young.
#: Approximate, to some months: by companies whose first filings are known.
FIRST_NUMBERS = {
    1996: 1_005_000,
    2000: 1_102_000,
    2003: 1_211_000,
    2005: 1_312_000,
    2007: 1_384_000,
    2008: 1_422_000,
    2010: 1_480_000,
    2012: 1_538_000,
    2014: 1_596_000,
    2016: 1_662_000,
    2018: 1_726_000,
    2020: 1_799_000,
    2022: 1_903_000,
    2024: 2_006_000,
}

_EXCHANGES = {"N": "XNYS", "A": "XASE", "P": "ARCX", "Z": "BATS", "V": "IEXG"}
_OTHER_SECURITY = re.compile(
    r"\b(?:warrants?|rights?|units?|preferred|preference|notes?|debentures?|subordinated|depositary shares? each"
    r"|trust preferred|when[- ]issued|contingent)\b",
    re.IGNORECASE,
)
_SECURITY = re.compile(
    r"(?: - .*|\b(?:Class [A-Z]|Common|Ordinary|American Depositary|Depositary|New York Registry|Subordinate|Sponsored"
    r"|Series [A-Z])\b.*)$"
)
_LEGAL_FORM = re.compile(
    r"(?:,? (?:incorporated|inc|corporation|corp|company|co|plc|limited|ltd|llc|lp|l\.p|group|holdings?|trust|the"
    r"|n\.v|nv|s\.a|sa|ag|se|asa|ab|& co|bancorp|bancshares)\.?)+$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+")
_TICKER = re.compile(r"[A-Z]{1,5}(?:\.[A-Z])?")
#: One word this short is an abbreviation of too many things.
_SHORT = 5


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list says of one security; `number` is its company's at the SEC."""

    line: int
    exchange: str
    ticker: str
    name: str
    is_fund: bool = False
    number: int | None = None


def read_listings(path: Path) -> list[Listing]:
    """The shares and funds of a list. Raises ConfigurationError where it is none of the lists that are known."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        columns = set(reader.fieldnames or ())
        if {"cik_str", "ticker", "title"} <= columns:
            return list(_companies(reader))
        if {"Symbol", "Security Name", "Test Issue", "ETF"} <= columns:
            return list(_securities(reader, "Symbol", None))
        if {"ACT Symbol", "Security Name", "Exchange", "Test Issue", "ETF"} <= columns:
            return list(_securities(reader, "ACT Symbol", "Exchange"))
    raise ConfigurationError(f"{path} is no list by Nasdaq Trader or the SEC: it has {', '.join(sorted(columns))}.")


def _securities(reader: "csv.DictReader[str]", ticker: str, exchange: str | None) -> Iterator[Listing]:
    for row in reader:
        is_fund, name = row["ETF"] == "Y", row["Security Name"]
        if row["Test Issue"] == "N" and _TICKER.fullmatch(row[ticker] or ""):
            market = "XNAS" if exchange is None else _EXCHANGES.get(row[exchange], "")
            if is_fund or not _OTHER_SECURITY.search(name):
                yield Listing(reader.line_num, market, row[ticker], _name(name), is_fund)


def _companies(reader: "csv.DictReader[str]") -> Iterator[Listing]:
    """A company's first ticker is that of its shares."""
    seen: set[int] = set()
    for row in reader:
        ticker, number = row["ticker"].replace("-", "."), int(row["cik_str"])
        if number not in seen and _TICKER.fullmatch(ticker):
            seen.add(number)
            name = " ".join(row["title"].partition("/")[0].split())
            yield Listing(reader.line_num, "", ticker, name.title() if name.isupper() else name, number=number)


def common_words(model_repository: Path) -> frozenset[str]:
    """The whole words of the models' tokenizer: what English is mostly made of, by its frequency in their training.

    Raises ConfigurationError where there are no models.
    """
    vocabulary = Tokenizer.from_file(str(read_pair(model_repository).entities.tokenizer)).get_vocab()
    return frozenset(word for word in vocabulary if word.isalpha())


def instruments_of(
    listings: Collection[Listing], known: Directory, common_words: Collection[str]
) -> Iterator[tuple[int, Instrument]]:
    """Each listing's line and instrument; none for a ticker that the directory has on some exchange already.

    A name is an alias as it is written, and only where the text confirms it if it is made of words that mean something
    else as well. Single words of that sort, and short ones, are none; nor are names of funds. Names that the directory
    has stay with their owners.
    """
    numbers = {listing.ticker: listing.number for listing in listings if listing.number is not None}
    newest = max(numbers.values(), default=None)
    taken = {alias.text.lower() for instrument in known.instruments.values() for alias in instrument.aliases}
    tickers = {ticker.replace("-", ".") for ticker in known.by_ticker}
    ids = set(known.instruments)
    for listing in sorted(listings, key=lambda listing: (not listing.exchange, len(listing.name), listing.ticker)):
        if listing.ticker in tickers:
            continue
        tickers.add(listing.ticker)
        bare = _bare(listing.name)
        aliases: tuple[Alias, ...] = ()
        care = None if listing.is_fund or bare.lower() in taken else _care(bare, common_words)
        if care is not None:
            taken.add(bare.lower())
            aliases = (Alias(bare, care),)
        id_ = _id(bare or listing.ticker, ids, listing.ticker)
        ids.add(id_)
        yield (
            listing.line,
            Instrument(
                id_,
                Kind.FUND if listing.is_fund else Kind.EQUITY,
                listing.name,
                (Symbol(listing.exchange, listing.ticker),),
                aliases,
                "",
                # Who trades on an exchange and is not in the SEC's list came after that was made.
                valid=ALWAYS if listing.is_fund else _validity(numbers.get(listing.ticker, newest)),
            ),
        )


def _name(security: str) -> str:
    name = _SECURITY.sub("", security.replace("|", " ")).strip(" ,")
    return " ".join((name or security).split())


def _bare(name: str) -> str:
    """Without legal forms; empty where nothing is left that could name it."""
    bare = _LEGAL_FORM.sub("", name).removeprefix("The ").strip(" ,.&")
    return bare if any(character.isalpha() for character in bare) and bare[0] not in "=~!" else ""


def _care(name: str, common_words: Collection[str]) -> Care | None:
    """None where it is too dangerous: a single word that is short or common."""
    words = [word.lower() for word in _WORD.findall(name)]
    are_common = all(word in common_words for word in words)
    if len(words) < 2 and (are_common or len(name) < _SHORT):
        return None
    if are_common:
        return Care.CONFIRMED
    return Care.ANY_CASE if name == name.lower() else Care.AS_WRITTEN_OR_CAPITALS


def _id(name: str, taken: Collection[str], ticker: str) -> str:
    slug = "-".join(re.findall(r"[a-z0-9]+", name.lower()))
    return slug if slug and slug not in taken else f"{slug}-{ticker.lower().replace('.', '-')}".strip("-")


def _validity(number: int | None) -> Validity:
    """Since when a company with this number of the SEC's can have been listed, by straight lines between the years."""
    years = sorted(FIRST_NUMBERS.items())
    if number is None or number < years[0][1]:
        return ALWAYS
    for (year, first), (later, after) in itertools.pairwise(years):
        if number < after:
            days = (date(later, 1, 1) - date(year, 1, 1)).days
            return Validity(date(year, 1, 1) + timedelta(days=days * (number - first) // (after - first)))
    return Validity(date(years[-1][0], 1, 1))
