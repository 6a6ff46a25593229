"""The directory of instruments: what can be watched, and by which symbols and words texts name it, and when.

Names and symbols change hands: Kraft of 2008 is not Kraft of 2016, and a text of 2008 cannot mean a company that was
listed in 2012. So instruments, symbols and aliases are valid from one day to another.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar


class Kind(StrEnum):
    """What sort of instrument it is."""

    EQUITY = "equity"
    FUND = "fund"
    INDEX = "index"
    COMMODITY = "commodity"
    CURRENCY = "currency"
    CRYPTO = "crypto"
    AUTHORITY = "authority"
    COUNTRY = "country"


class Care(StrEnum):
    """How an alias has to stand in a text to count; the value is its mark in a file."""

    ANY_CASE = ""
    AS_WRITTEN_OR_CAPITALS = "capitalised"
    EXACT = "="
    CONFIRMED = "~"
    NOT_THIS = "!"


@dataclass(frozen=True, slots=True)
class Validity:
    """The days from `start` up to but not including `end`; None where there is no end to that side."""

    start: date | None = None
    end: date | None = None

    def __contains__(self, day: date) -> bool:
        return (self.start is None or self.start <= day) and (self.end is None or day < self.end)

    def overlaps(self, other: "Validity") -> bool:
        """Whether they share a day."""
        return (self.start is None or other.end is None or self.start < other.end) and (
            other.start is None or self.end is None or other.start < self.end
        )

    def within(self, other: "Validity") -> "Validity":
        """The days of both."""
        starts = [day for day in (self.start, other.start) if day is not None]
        ends = [day for day in (self.end, other.end) if day is not None]
        return Validity(max(starts, default=None), min(ends, default=None))


ALWAYS = Validity()


@dataclass(frozen=True, slots=True)
class Symbol:
    """A ticker, upper-case and without `$`; `exchange` is its market's code (ISO 10383), '' where any is meant."""

    exchange: str
    ticker: str
    valid: Validity = ALWAYS


@dataclass(frozen=True, slots=True)
class Alias:
    """Words that name an instrument, without the mark."""

    text: str
    care: Care
    valid: Validity = ALWAYS


@dataclass(frozen=True, slots=True)
class Instrument:
    """Something that can be watched while it is `valid`.

    `context`: words in lower case that, beside an alias in doubt, speak for this instrument.
    """

    id: str
    kind: Kind
    name: str
    symbols: tuple[Symbol, ...]
    aliases: tuple[Alias, ...]
    sector: str
    context: frozenset[str] = frozenset()
    valid: Validity = ALWAYS


@dataclass(frozen=True, slots=True)
class Directory:
    """Instruments by id and by ticker. `version` names the content: equal content, equal version, in any order."""

    instruments: Mapping[str, Instrument]
    by_ticker: Mapping[str, tuple[tuple[Symbol, Instrument], ...]]
    version: str

    def get(self, instrument_id: str) -> Instrument | None:
        """The instrument with this id."""
        return self.instruments.get(instrument_id)

    def with_ticker(self, ticker: str, day: date) -> Instrument | None:
        """Whose ticker it was that day, in whatever case; of several exchanges the American ones first."""
        for symbol, instrument in self.by_ticker.get(ticker.upper(), ()):
            if day in symbol.valid and day in instrument.valid:
                return instrument
        return None

    def find(self, words: str) -> list[Instrument]:
        """Instruments with these words in id, ticker, name or alias, in any case; the best matches first: a ticker or
        name of just these words, then one that begins with them."""
        wanted = " ".join(words.lower().split())
        ranked = [
            (rank, instrument.name.lower(), instrument.id)
            for instrument in self.instruments.values()
            if (rank := _rank(instrument, wanted)) is not None
        ]
        return [self.instruments[id_] for _, _, id_ in sorted(ranked)]


def _rank(instrument: Instrument, wanted: str) -> int | None:
    names = {instrument.id, instrument.name.lower(), *(symbol.ticker.lower() for symbol in instrument.symbols)}
    names |= {alias.text.lower() for alias in instrument.aliases if alias.care is not Care.NOT_THIS}
    if wanted in names:
        return 0
    if any(name.startswith(wanted) for name in names):
        return 1
    return 2 if any(wanted in name for name in names) else None


#: A ticker without an exchange is a cashtag, and cashtags are American tickers first.
_EXCHANGES = {exchange: place for place, exchange in enumerate(("", "XNYS", "XNAS", "XASE", "ARCX", "BATS", "OTCM"))}


class DirectoryBuilder:
    """Takes instruments one by one; what names two at the same time is refused."""

    def __init__(self) -> None:
        self._instruments: dict[str, Instrument] = {}
        self._tickers: defaultdict[str, list[tuple[Symbol, Instrument]]] = defaultdict(list)
        self._aliases: defaultdict[str, list[tuple[Alias, Instrument]]] = defaultdict(list)

    def add(self, instrument: Instrument) -> None:
        """Raises ValueError, and takes nothing of it, where its id, a symbol or an alias is another's at the time.

        An alias may be shared where all but one of those that claim it need it confirmed: the text then tells which is
        meant, and that one where it tells nothing.
        """
        if instrument.id in self._instruments:
            raise ValueError(f"id {instrument.id!r} is taken")
        for symbol in instrument.symbols:
            self._require_free(symbol, instrument)
        named = [alias for alias in instrument.aliases if alias.care is not Care.NOT_THIS]
        for alias in named:
            self._require_unclaimed(alias, instrument)
        for symbol in instrument.symbols:
            self._tickers[symbol.ticker].append((symbol, instrument))
        for alias in named:
            self._aliases[alias.text.lower()].append((alias, instrument))
        self._instruments[instrument.id] = instrument

    def directory(self) -> Directory:
        """All that was taken. Raises ValueError where that is nothing."""
        if not self._instruments:
            raise ValueError("it is empty")
        by_ticker = {
            ticker: tuple(sorted(owners, key=lambda owner: _EXCHANGES.get(owner[0].exchange, len(_EXCHANGES))))
            for ticker, owners in self._tickers.items()
        }
        return Directory(
            MappingProxyType(self._instruments), MappingProxyType(by_ticker), _version(self._instruments.values())
        )

    def _require_free(self, symbol: Symbol, instrument: Instrument) -> None:
        for other, owner in self._tickers[symbol.ticker]:
            if other.exchange == symbol.exchange and _at_once(symbol, instrument, other, owner):
                raise ValueError(f"symbol {symbol.ticker!r} is claimed by {owner.id!r} too")

    def _require_unclaimed(self, alias: Alias, instrument: Instrument) -> None:
        for other, owner in self._aliases[alias.text.lower()]:
            doubtful = Care.CONFIRMED in (alias.care, other.care)
            if not doubtful and _at_once(alias, instrument, other, owner):
                raise ValueError(f"alias {alias.text!r} is claimed by {owner.id!r} too")


_Named = TypeVar("_Named", Symbol, Alias)


def _at_once(one: _Named, its: Instrument, other: _Named, others: Instrument) -> bool:
    return one.valid.within(its.valid).overlaps(other.valid.within(others.valid))


def _version(instruments: Iterable[Instrument]) -> str:
    content = "\n".join(
        repr((i.id, i.kind, i.name, i.symbols, i.aliases, i.sector, sorted(i.context), i.valid))
        for i in sorted(instruments, key=lambda instrument: instrument.id)
    )
    return hashlib.sha256(content.encode()).hexdigest()[:12]
