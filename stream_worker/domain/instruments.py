"""The directory of instruments: what can be watched, and by which symbols and words texts name it.

A directory is CSV with the columns `id, kind, name, symbols, aliases, sector`; symbols and aliases are separated by
`|`. How an alias is written says how careful linking has to be with it:

    goldman sachs   matches in any case
    Hershey         matches as written and in capitals throughout
    =GM             matches exactly as written: its letters mean something else in another case
    ~Apple          a word of its own: matches as written or in capitals, and only where the entity model finds an
                    organisation of just that name, or the text holds the instrument's cashtag
    !gold medal     is not this instrument: hides shorter aliases inside it
"""

import csv
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from stream_worker.errors import ConfigurationError

COLUMNS = ("id", "kind", "name", "symbols", "aliases", "sector")


class Kind(StrEnum):
    """What sort of instrument it is."""

    EQUITY = "equity"
    INDEX = "index"
    COMMODITY = "commodity"
    CURRENCY = "currency"
    CRYPTO = "crypto"


class Care(StrEnum):
    """How an alias has to stand in a text to count; the value is its mark in the file."""

    ANY_CASE = ""
    AS_WRITTEN_OR_CAPITALS = "capitalised"
    EXACT = "="
    CONFIRMED = "~"
    NOT_THIS = "!"


@dataclass(frozen=True, slots=True)
class Alias:
    """Words that name an instrument, without the mark."""

    text: str
    care: Care


@dataclass(frozen=True, slots=True)
class Instrument:
    """Something that can be watched. Symbols are upper-case, without `$`."""

    id: str
    kind: Kind
    name: str
    symbols: tuple[str, ...]
    aliases: tuple[Alias, ...]
    sector: str


@dataclass(frozen=True, slots=True)
class Directory:
    """Instruments by id and by symbol. `version` names the content: equal content, equal version, in any row order."""

    instruments: Mapping[str, Instrument]
    by_symbol: Mapping[str, Instrument]
    version: str

    def get(self, instrument_id: str) -> Instrument | None:
        """The instrument with this id."""
        return self.instruments.get(instrument_id)


def parse_directory(lines: Iterable[str]) -> Directory:
    """Read a directory. Raises ConfigurationError naming the line and what is wrong with it."""
    reader = csv.DictReader(lines)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ConfigurationError(f"directory of instruments: the first line must be {','.join(COLUMNS)}")
    claims = _Claims()
    for row in reader:
        try:
            claims.add(_instrument(row))
        except ValueError as error:
            raise ConfigurationError(f"directory of instruments, line {reader.line_num}: {error}") from None
    if not claims.instruments:
        raise ConfigurationError("directory of instruments: it is empty")
    return Directory(
        MappingProxyType(claims.instruments), MappingProxyType(claims.symbols), _version(claims.instruments)
    )


class _Claims:
    """What the rows so far have taken; nothing may belong to two instruments."""

    def __init__(self) -> None:
        self.instruments: dict[str, Instrument] = {}
        self.symbols: dict[str, Instrument] = {}
        self._aliases: dict[str, str] = {}

    def add(self, instrument: Instrument) -> None:
        if instrument.id in self.instruments:
            raise ValueError(f"id {instrument.id!r} is taken")
        for symbol in instrument.symbols:
            owner = self.symbols.setdefault(symbol, instrument)
            if owner is not instrument:
                raise ValueError(f"symbol {symbol!r} is claimed by {owner.id!r} too")
        for alias in instrument.aliases:
            if alias.care is not Care.NOT_THIS:
                owner_id = self._aliases.setdefault(alias.text.lower(), instrument.id)
                if owner_id != instrument.id:
                    raise ValueError(f"alias {alias.text!r} is claimed by {owner_id!r} too")
        self.instruments[instrument.id] = instrument


def _instrument(row: Mapping[str, str | None]) -> Instrument:
    if any(row.get(column) is None for column in COLUMNS) or len(row) != len(COLUMNS):
        raise ValueError(f"expected {len(COLUMNS)} columns")
    cell = {column: str(row[column]).strip() for column in COLUMNS}
    if not cell["id"] or cell["id"] != cell["id"].lower() or not cell["id"].replace("-", "").isalnum():
        raise ValueError(f"id {cell['id']!r} is not made of lower-case letters, digits and hyphens")
    if cell["kind"] not in list(Kind):
        raise ValueError(f"kind {cell['kind']!r} is none of {', '.join(Kind)}")
    if not cell["name"]:
        raise ValueError("the name is empty")
    symbols = tuple(symbol.upper() for symbol in _parts(cell["symbols"]))
    aliases = tuple(_alias(part) for part in _parts(cell["aliases"]))
    if not symbols and all(alias.care is Care.NOT_THIS for alias in aliases):
        raise ValueError("neither a symbol nor an alias: nothing could ever name it")
    return Instrument(cell["id"], Kind(cell["kind"]), cell["name"], symbols, aliases, cell["sector"])


def _parts(cell: str) -> list[str]:
    parts = [part.strip() for part in cell.split("|")] if cell else []
    if not all(parts):
        raise ValueError(f"an empty entry in {cell!r}")
    if len(set(parts)) != len(parts):
        raise ValueError(f"an entry occurs twice in {cell!r}")
    return parts


def _alias(part: str) -> Alias:
    if part[0] not in "=~!":
        return Alias(part, Care.ANY_CASE if part == part.lower() else Care.AS_WRITTEN_OR_CAPITALS)
    if not part[1:].strip():
        raise ValueError(f"alias {part!r} has no words")
    return Alias(part[1:].strip(), Care(part[0]))


def _version(instruments: Mapping[str, Instrument]) -> str:
    content = "\n".join(repr(instruments[key]) for key in sorted(instruments))
    return hashlib.sha256(content.encode()).hexdigest()[:12]
