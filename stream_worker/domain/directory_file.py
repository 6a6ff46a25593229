"""The directory of instruments as CSV, one line an instrument.

The columns are `id, kind, name, symbols, aliases, sector, context, valid_from, valid_to`. Symbols, aliases and words
of context are separated by `|`; a symbol may name its exchange, `XNYS:GM`. How an alias is written says how careful
linking has to be with it:

    goldman sachs   matches in any case
    Hershey         matches as written and in capitals throughout
    =GM             matches exactly as written: its letters mean something else in another case
    ~Apple          a word of its own, or of several instruments: matches as written or in capitals, and only where the
                    text confirms it
    !gold medal     is not this instrument: hides shorter aliases inside it

Symbols and aliases that were valid for a time only have it behind them, from the first day to the day after the last,
either of them left out where it has no end: `XNYS:KFT@2001-06-13/2012-10-01`, `Merrill Lynch@/2009-01-01`.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from stream_worker.domain.instruments import (
    ALWAYS,
    Alias,
    Care,
    Directory,
    DirectoryBuilder,
    Instrument,
    Kind,
    Symbol,
    Validity,
)
from stream_worker.errors import ConfigurationError

COLUMNS = ("id", "kind", "name", "symbols", "aliases", "sector", "context", "valid_from", "valid_to")

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SYMBOL = re.compile(r"(?:(?P<exchange>[A-Z0-9]{4}):)?(?P<ticker>\S+)")
_VALID = re.compile(r"(?P<words>.*?)@(?P<start>[\d-]*)/(?P<end>[\d-]*)")


def parse_directory(lines: Iterable[str]) -> Directory:
    """Read a whole directory. Raises ConfigurationError naming the line and what is wrong with it."""
    builder = DirectoryBuilder()
    for line, row in _rows(lines):
        try:
            builder.add(parse_instrument(row))
        except ValueError as error:
            raise ConfigurationError(f"directory of instruments, line {line}: {error}") from None
    try:
        return builder.directory()
    except ValueError as error:
        raise ConfigurationError(f"directory of instruments: {error}") from None


def parse_instruments(lines: Iterable[str]) -> Iterator[tuple[int, Instrument | str]]:
    """Each line's number and its instrument, or why it is none. Raises ConfigurationError where columns are missing."""
    for line, row in _rows(lines):
        try:
            yield line, parse_instrument(row)
        except ValueError as error:
            yield line, str(error)


def parse_instrument(row: Mapping[str, object] | Mapping[str | None, object]) -> Instrument:
    """One row, by column. Raises ValueError saying what is wrong with it."""
    if len(row) != len(COLUMNS) or any(not isinstance(row.get(column), str) for column in COLUMNS):
        raise ValueError(f"expected {len(COLUMNS)} columns")
    cell = {column: str(row[column]).strip() for column in COLUMNS}
    if not _ID.fullmatch(cell["id"]):
        raise ValueError(f"id {cell['id']!r} is not made of lower-case letters, digits and single hyphens")
    if cell["kind"] not in list(Kind):
        raise ValueError(f"kind {cell['kind']!r} is none of {', '.join(Kind)}")
    if not cell["name"]:
        raise ValueError("the name is empty")
    symbols = tuple(_symbol(part) for part in _parts(cell["symbols"]))
    aliases = tuple(_alias(part) for part in _parts(cell["aliases"]))
    if not symbols and all(alias.care is Care.NOT_THIS for alias in aliases):
        raise ValueError("neither a symbol nor an alias: nothing could ever name it")
    return Instrument(
        cell["id"],
        Kind(cell["kind"]),
        cell["name"],
        symbols,
        aliases,
        cell["sector"],
        frozenset(part.lower() for part in _parts(cell["context"])),
        _validity(cell["valid_from"], cell["valid_to"]),
    )


def format_directory(instruments: Iterable[Instrument]) -> str:
    """The file that `parse_directory` reads, in order of the ids."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for instrument in sorted(instruments, key=lambda instrument: instrument.id):
        writer.writerow(format_instrument(instrument).values())
    return text.getvalue()


def format_instrument(instrument: Instrument) -> dict[str, str]:
    """Its row, by column; `parse_instrument` makes the same instrument of it."""
    return {
        "id": instrument.id,
        "kind": instrument.kind.value,
        "name": instrument.name,
        "symbols": "|".join(
            (f"{s.exchange}:" if s.exchange else "") + s.ticker + _interval(s.valid) for s in instrument.symbols
        ),
        "aliases": "|".join(_mark(a.care) + a.text + _interval(a.valid) for a in instrument.aliases),
        "sector": instrument.sector,
        "context": "|".join(sorted(instrument.context)),
        "valid_from": _iso(instrument.valid.start),
        "valid_to": _iso(instrument.valid.end),
    }


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str | None, object]]]:
    reader = csv.DictReader(lines)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ConfigurationError(f"directory of instruments: the first line must be {','.join(COLUMNS)}")
    for row in reader:
        yield reader.line_num, row


def _parts(cell: str) -> list[str]:
    parts = [part.strip() for part in cell.split("|")] if cell else []
    if not all(parts):
        raise ValueError(f"an empty entry in {cell!r}")
    if len(set(parts)) != len(parts):
        raise ValueError(f"an entry occurs twice in {cell!r}")
    return parts


def _symbol(part: str) -> Symbol:
    words, valid = _dated(part)
    found = _SYMBOL.fullmatch(words.upper())
    if found is None:
        raise ValueError(f"symbol {part!r} is not TICKER or EXCHANGE:TICKER")
    return Symbol(found["exchange"] or "", found["ticker"], valid)


def _alias(part: str) -> Alias:
    words, valid = _dated(part)
    if words[:1] not in {"=", "~", "!"}:
        return Alias(words, Care.ANY_CASE if words == words.lower() else Care.AS_WRITTEN_OR_CAPITALS, valid)
    if not words[1:].strip():
        raise ValueError(f"alias {part!r} has no words")
    return Alias(words[1:].strip(), Care(words[0]), valid)


def _dated(part: str) -> tuple[str, Validity]:
    found = _VALID.fullmatch(part)
    if found is None:
        return part, ALWAYS
    return found["words"], _validity(found["start"], found["end"])


def _validity(start: str, end: str) -> Validity:
    valid = Validity(_day(start), _day(end))
    if valid.start is not None and valid.end is not None and valid.start >= valid.end:
        raise ValueError(f"{start} is not before {end}")
    return valid


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a day like 2008-09-15") from None


def _mark(care: Care) -> str:
    return "" if care in (Care.ANY_CASE, Care.AS_WRITTEN_OR_CAPITALS) else care.value


def _interval(valid: Validity) -> str:
    return "" if valid == ALWAYS else f"@{_iso(valid.start)}/{_iso(valid.end)}"


def _iso(day: date | None) -> str:
    return "" if day is None else day.isoformat()
