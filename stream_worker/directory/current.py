"""The directory that a running worker links with: the newest one in Postgres."""

import asyncio

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.directory.importing import import_built_in
from stream_worker.domain.linking import Linker
from stream_worker.storage.directory import Change, directory_of, entries_of, latest_change, rows_after
from stream_worker.storage.engine import said

#: How often it is asked whether the directory has changed.
POLL_SECONDS = 2.0

_log = structlog.get_logger(__name__)


class CurrentLinker:
    """A linker with the newest directory, as long as `watch` runs. For one event loop."""

    def __init__(self, engine: AsyncEngine, change: Change, linker: Linker) -> None:
        self._engine = engine
        self._change = change
        self._linker = linker

    @classmethod
    async def open(cls, engine: AsyncEngine) -> "CurrentLinker":
        """Read the directory; where there is none yet, that of this release is imported."""
        async with engine.connect() as connection:
            change = await latest_change(connection)
        if change is None:
            change = (await import_built_in(engine)).change
        return cls(engine, change, await _linker_of(engine, change))

    def __call__(self) -> Linker:
        """The linker of the moment."""
        return self._linker

    async def watch(self) -> None:
        """Take what is changed within `POLL_SECONDS`, until cancelled. While Postgres is away, what is known stays."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._look()
            except (SQLAlchemyError, OSError) as error:
                _log.info("the directory could not be looked at", error=said(error))

    async def _look(self) -> None:
        async with self._engine.connect() as connection:
            change = await latest_change(connection)
        if change is not None and change != self._change:
            self._linker = await _linker_of(self._engine, change)
            self._change = change
            _log.info("linking with another directory", version=change.version)


async def _linker_of(engine: AsyncEngine, change: Change) -> Linker:
    async with engine.connect() as connection:
        rows = (await connection.execute(rows_after(change.number))).all()
    # A second of work, which documents should not wait for.
    return await asyncio.to_thread(lambda: Linker(directory_of(entries_of(rows).values())))
