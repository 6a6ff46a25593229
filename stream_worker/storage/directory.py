"""The directory of instruments in Postgres: each change is kept, so that every version can be read again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Row, Select, func, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from stream_worker.domain.directory_file import format_instrument, parse_instrument
from stream_worker.domain.instruments import Directory, DirectoryBuilder, Instrument
from stream_worker.storage.schema import directory_changes, instrument_revisions


class Origin(StrEnum):
    """Where a row comes from. What is one's own is never overwritten by what comes with a release or a listing."""

    BUILT_IN = "built_in"
    LISTINGS = "listings"
    OWN = "own"


class Entry(NamedTuple):
    """An instrument and where it comes from; None where somebody of that origin took it out."""

    instrument: Instrument | None
    origin: Origin


@dataclass(frozen=True, slots=True)
class Change:
    """A state of the directory: what `finsentry instruments` lists, and what workers link with."""

    number: int
    version: str


#: The newest state.
LATEST = (
    select(directory_changes.c.number, directory_changes.c.version).order_by(directory_changes.c.number.desc()).limit(1)
)


async def latest_change(connection: AsyncConnection) -> Change | None:
    """The newest state; None where nothing was ever imported."""
    row = (await connection.execute(LATEST)).one_or_none()
    return None if row is None else Change(row.number, row.version)


async def change_of_version(connection: AsyncConnection, version: str) -> Change | None:
    """The last state with this version."""
    columns = directory_changes.c
    number = await connection.scalar(select(func.max(columns.number)).where(columns.version == version))
    return None if number is None else Change(number, version)


async def read_entries(connection: AsyncConnection, number: int) -> dict[str, Entry]:
    """All that is in the directory after a change, and what was taken out of it, by id."""
    return entries_of(await connection.execute(rows_after(number)))


def rows_after(number: int) -> Select[str, str, Mapping[str | None, object] | None]:
    """The rows that `entries_of` takes: of each instrument what the last change until this one made of it."""
    columns = instrument_revisions.c
    return (
        select(columns.instrument_id, columns.origin, columns.row)
        .ext(distinct_on(columns.instrument_id))
        .where(columns.number <= number)
        .order_by(columns.instrument_id, columns.number.desc())
    )


def entries_of(rows: Iterable[Row[str, str, Mapping[str | None, object] | None]]) -> dict[str, Entry]:
    """By id."""
    return {
        row.instrument_id: Entry(None if row.row is None else parse_instrument(row.row), Origin(row.origin))
        for row in rows
    }


async def read_directory(connection: AsyncConnection, change: Change, without: Origin | None = None) -> Directory:
    """The directory after a change; `without` leaves out what is of that origin."""
    entries = await read_entries(connection, change.number)
    return directory_of(entry for entry in entries.values() if entry.origin is not without)


def directory_of(entries: Iterable[Entry]) -> Directory:
    """The instruments among them. Raises ValueError where two contradict each other, or there is none."""
    return builder_of(entries).directory()


def builder_of(entries: Iterable[Entry]) -> DirectoryBuilder:
    """A builder that has taken the instruments among them. Raises ValueError where two contradict each other."""
    builder = DirectoryBuilder()
    for entry in entries:
        if entry.instrument is not None:
            builder.add(entry.instrument)
    return builder


async def lock_directory(connection: AsyncConnection) -> None:
    """Until the end of the transaction nobody else changes the directory."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('finsentry.directory'))"))


async def write_change(connection: AsyncConnection, cause: str, version: str, entries: Mapping[str, Entry]) -> Change:
    """Note a change: these entries hold from now on."""
    number = await connection.scalar(
        directory_changes.insert().values(version=version, cause=cause).returning(directory_changes.c.number)
    )
    assert number is not None
    rows = [
        {
            "instrument_id": id_,
            "number": number,
            "origin": entry.origin,
            "row": None if entry.instrument is None else format_instrument(entry.instrument),
        }
        for id_, entry in entries.items()
    ]
    await connection.execute(instrument_revisions.insert(), rows)
    return Change(number, version)
