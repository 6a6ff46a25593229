"""Bringing rows into the directory of instruments in Postgres, all checks made before anything holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.directory import built_in_lines
from stream_worker.domain.directory_file import format_instrument, parse_instrument, parse_instruments
from stream_worker.domain.instruments import DirectoryBuilder, Instrument
from stream_worker.errors import ConfigurationError
from stream_worker.storage.directory import (
    Change,
    Entry,
    Origin,
    builder_of,
    latest_change,
    lock_directory,
    read_entries,
    write_change,
)


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that was not taken: its line, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. `kept`: ids that stay as they are, because they are one's own. `change` is what holds now."""

    change: Change
    added: Sequence[str] = ()
    changed: Sequence[str] = ()
    removed: Sequence[str] = ()
    kept: Sequence[str] = ()
    refused: Sequence[Refused] = ()


async def import_built_in(engine: AsyncEngine) -> Imported:
    """The directory of this release, in the place of that of an earlier one."""
    rows = list(parse_instruments(built_in_lines()))
    return await import_instruments(engine, rows, Origin.BUILT_IN, f"finsentry {version('finsentry')}", replace=True)


async def import_instruments(
    engine: AsyncEngine,
    rows: Sequence[tuple[int, Instrument | str]],
    origin: Origin,
    cause: str,
    replace: bool = False,
) -> Imported:
    """Take the rows, each with its line; what is no instrument, or names what another names, is refused by itself.

    With `replace`, instruments of this origin that are not among the rows are taken out. What is one's own, also what
    one took out oneself, stays as it is unless `origin` is one's own. A change that changes nothing is not noted.
    Raises ConfigurationError where nothing would be left.
    """
    async with engine.begin() as connection:
        await lock_directory(connection)
        latest = await latest_change(connection)
        before = {} if latest is None else await read_entries(connection, latest.number)
        draft = _Draft(before, rows, origin, replace)
        put = {id_: entry for id_, entry in draft.entries.items() if before.get(id_) != entry}
        if put or latest is None:
            latest = await write_change(connection, cause, _version(draft.builder), put)
    there = {id_ for id_, entry in before.items() if entry.instrument is not None}
    return Imported(
        latest,
        added=sorted(id_ for id_, entry in put.items() if entry.instrument is not None and id_ not in there),
        changed=sorted(id_ for id_, entry in put.items() if entry.instrument is not None and id_ in there),
        removed=sorted(id_ for id_, entry in put.items() if entry.instrument is None),
        kept=draft.kept,
        refused=draft.refused,
    )


async def remove_instrument(engine: AsyncEngine, instrument_id: str) -> Imported:
    """Take an instrument out. No release and no listing brings it back. Raises ConfigurationError where there is none
    with this id."""
    async with engine.begin() as connection:
        await lock_directory(connection)
        latest = await latest_change(connection)
        entries = {} if latest is None else await read_entries(connection, latest.number)
        entry = entries.pop(instrument_id, None)
        if entry is None or entry.instrument is None:
            raise ConfigurationError(
                f"There is no instrument {instrument_id!r}: `finsentry instruments find` lists them."
            )
        removed = {instrument_id: Entry(None, Origin.OWN)}
        change = await write_change(
            connection, f"remove {instrument_id}", _version(builder_of(entries.values())), removed
        )
    return Imported(change, removed=[instrument_id])


class _Draft:
    """The directory to be, and what was not taken into it."""

    def __init__(
        self, before: Mapping[str, Entry], rows: Sequence[tuple[int, Instrument | str]], origin: Origin, replace: bool
    ) -> None:
        self.kept: list[str] = []
        self.refused: list[Refused] = []
        self._before = before
        self._origin = origin
        self.builder = DirectoryBuilder()
        offered = {row.id for _, row in rows if isinstance(row, Instrument)}
        #: What no row is about stays; what is offered, or is to be replaced, has to come again.
        self.entries = {
            id_: Entry(None, origin) if replace and entry.origin is origin and id_ not in offered else entry
            for id_, entry in before.items()
            if id_ not in offered or self._must_stay(entry)
        }
        for entry in self.entries.values():
            if entry.instrument is not None:
                self.builder.add(entry.instrument)
        for line, row in rows:
            self._take(line, row)

    def _take(self, line: int, row: Instrument | str) -> None:
        if isinstance(row, str):
            self.refused.append(Refused(line, row))
            return
        former = self._before.get(row.id)
        if former is not None and self._must_stay(former):
            self.kept.append(row.id)
        elif (reason := self._refusal(row)) is None:
            self.entries[row.id] = Entry(row, self._origin)
        else:
            self.refused.append(Refused(line, reason))
            if former is not None and row.id not in self.entries:
                self._take_back(row.id, former)

    def _take_back(self, id_: str, former: Entry) -> None:
        """What was there before a row that was refused; rows of this import may have taken what it needs."""
        fits = former.instrument is None or self._refusal(former.instrument) is None
        self.entries[id_] = former if fits else Entry(None, self._origin)

    def _must_stay(self, entry: Entry) -> bool:
        return entry.origin is Origin.OWN and self._origin is not Origin.OWN

    def _refusal(self, instrument: Instrument) -> str | None:
        """Why it cannot be taken; None where it was. What is stored is sure to be read again as it is."""
        try:
            if parse_instrument(format_instrument(instrument)) != instrument:
                raise ValueError("it cannot be written in the words of a directory's file")
            self.builder.add(instrument)
        except ValueError as error:
            return str(error)
        return None


def _version(builder: DirectoryBuilder) -> str:
    try:
        return builder.directory().version
    except ValueError:
        raise ConfigurationError("Nothing would be left of the directory of instruments.") from None
