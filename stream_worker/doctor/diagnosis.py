"""What it means that a step does not happen, and what to do about it."""

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.errors import in_words
from stream_worker.ingest.backlog import BacklogReader
from stream_worker.settings import Settings
from stream_worker.storage.pending import pending

_ANSWER_SECONDS = 5.0
_STATUS = "`finsentry status` says more"


class Diagnosis:
    """Looks around after a step has not happened in time."""

    def __init__(self, settings: Settings, engine: AsyncEngine, reader: BacklogReader) -> None:
        self._settings = settings
        self._engine = engine
        self._reader = reader

    async def of(self, step: str) -> str:
        """A sentence for a person."""
        words: dict[str, Callable[[], Awaitable[str]]] = {"receipt": self._no_receipt, "window": self._not_counted}
        if step not in words:
            return _PLAIN[step]
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await words[step]()
        except Exception as error:  # noqa: BLE001 - told instead of what could not be found out
            return f"Nothing can be found out about it ({in_words(error)}); {_STATUS}."

    async def _no_receipt(self) -> str:
        topic, group = self._settings.topic("documents"), self._settings.consumer_group
        if await self._reader.members(group) == 0:
            return f"No worker is in the group {group}: start `finsentry worker`."
        waiting = sum(partition.lag for partition in await self._reader.partitions(topic, group))
        return (
            f"A worker is in the group {group}, and {waiting:,} messages wait: it is behind, or it waits for Triton or "
            f"Postgres; {_STATUS}, and so does the worker's log."
        )

    async def _not_counted(self) -> str:
        async with self._engine.connect() as connection:
            marks = (await pending(connection)).marks
        return f"{marks:,} marks wait for the monitor: it does not run (start `finsentry monitor`), or is behind."


_PLAIN = {
    "postgres": f"Postgres does not answer: check FINSENTRY_DATABASE_URL; {_STATUS}.",
    "kafka": f"Kafka does not answer: check FINSENTRY_KAFKA_BOOTSTRAP; {_STATUS}.",
    "score": "The document has a receipt and no score: that cannot be, run `finsentry verify`.",
    "scores": "The score is stored and was not published: Kafka takes no messages on that topic, see the worker's log.",
    "live": (
        "The window is written and the live view does not show it: the monitor publishes to another Redis (check "
        "FINSENTRY_REDIS_URL of both), or Redis is away; see the monitor's log."
    ),
    "retraction": "It came in and does not go out: see the logs of worker and monitor, and run `finsentry verify`.",
}
