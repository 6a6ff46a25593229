"""Publications: which instruments' live state in Redis is older than their windows, and since which version."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from stream_worker.storage.schema import WHOLE

_NOTE = text("""
    INSERT INTO publications
    SELECT instrument_id, nextval('publication_version')
    FROM (SELECT DISTINCT unnest(CAST(:instruments AS text[])) AS instrument_id ORDER BY 1) AS ascending
    ON CONFLICT (instrument_id) DO UPDATE SET version = excluded.version
""")
_RECENT = text("SELECT DISTINCT instrument_id FROM windows WHERE minute > :since")
_DUE = text("SELECT instrument_id, version FROM publications ORDER BY version LIMIT :at_most")
_NEXT_VERSION = text("SELECT nextval('publication_version')")
_TAKEN = text("""
    DELETE FROM publications p
    USING unnest(CAST(:instruments AS text[]), CAST(:versions AS bigint[])) AS t(instrument_id, version)
    WHERE p.instrument_id = t.instrument_id AND p.version = t.version
""")


async def to_publish(connection: AsyncConnection, instruments: Sequence[str]) -> None:
    """Note that the live state of these instruments is older than their windows."""
    await connection.execute(_NOTE, {"instruments": list(instruments)})


async def to_publish_everything(connection: AsyncConnection, since: datetime) -> None:
    """Note it of every instrument that has windows since then, and of the market."""
    instruments = await connection.scalars(_RECENT, {"since": since})
    await to_publish(connection, [*instruments, WHOLE])


async def due(connection: AsyncConnection, at_most: int) -> dict[str, int]:
    """Instruments to be published and the versions of their notes, the longest noted first."""
    rows = await connection.execute(_DUE, {"at_most": at_most})
    return {row.instrument_id: row.version for row in rows}


async def next_version(connection: AsyncConnection) -> int:
    """A version for what is read after this call: higher than any before, over all instruments, boards and the feed."""
    version: int = (await connection.execute(_NEXT_VERSION)).scalar_one()
    return version


async def taken(connection: AsyncConnection, published: Mapping[str, int]) -> None:
    """Delete the notes of what was published; a note that is newer by now stays."""
    columns = {"instruments": list(published), "versions": list(published.values())}
    await connection.execute(_TAKEN, columns)
