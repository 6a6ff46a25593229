"""What a scoring worker needs in order to work, asked for real, and how much work waits for it."""

import time
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.domain.lanes import Lane
from stream_worker.errors import FinsentryError, TooManyDeadLetters, Unavailable
from stream_worker.inference.analyzer import Analyzer
from stream_worker.ingest.backlog import BacklogReader, PartitionBacklog
from stream_worker.metrics import CONSUMER_LAG
from stream_worker.storage.engine import ask
from stream_worker.vitals import Check

#: What the models answered so long ago is as good as asking them: a probe must not wait behind a full load.
FRESH_SECONDS = 5.0

#: The check that fails while history stands still.
HISTORY = "history"

#: (topic, partition) of what a worker reads; None before it has joined its group.
Assigned = Callable[[], frozenset[tuple[str, int]] | None]
#: What ended the backfill lane of a worker that goes on with live documents.
WhyHistoryStandsStill = Callable[[], TooManyDeadLetters | None]


class WorkerHealth:
    """The checks of one worker. `groups` are the topics that it reads and their groups, by lane."""

    def __init__(
        self,
        engine: AsyncEngine,
        analyzer: Analyzer,
        reader: BacklogReader,
        groups: Mapping[Lane, tuple[str, str]],
        assigned: Assigned,
        why_history_stands_still: WhyHistoryStandsStill,
    ) -> None:
        self._engine = engine
        self._analyzer = analyzer
        self._reader = reader
        self._groups = groups
        self._assigned = assigned
        self._why_history_stands_still = why_history_stands_still

    @property
    def checks(self) -> Mapping[str, Check]:
        """All that must succeed for the worker to be ready."""
        return {"triton": self._triton, "postgres": self._postgres, "kafka": self._kafka, HISTORY: self._history}

    async def has_live_work(self) -> bool:
        """Whether there are live messages that this worker should read and has not committed. Raises Unavailable while
        Kafka is away."""
        return _any_waits((await self._backlogs())[Lane.LIVE])

    async def has_history_to_do(self) -> bool:
        """The same of history, which may wait for as long as live messages do, or once it stands still."""
        if self._why_history_stands_still() is not None:
            return False
        backlogs = await self._backlogs()
        return _any_waits(backlogs[Lane.BACKFILL]) and not _any_waits(backlogs[Lane.LIVE])

    async def read_gauges(self) -> None:
        """Set the lag of each partition; without an answer there is none."""
        CONSUMER_LAG.clear()
        for lane, backlogs in (await self._backlogs()).items():
            for backlog in backlogs:
                CONSUMER_LAG.labels(lane, backlog.topic, str(backlog.partition)).set(backlog.lag)

    async def _triton(self) -> str:
        """Triton calls itself ready while the process behind a model is dead: only an inference tells."""
        if time.monotonic() - self._analyzer.answered_at < FRESH_SECONDS:
            return "answered a moment ago"
        await self._analyzer.health()
        return "answers"

    async def _postgres(self) -> str:
        return await ask(self._engine)

    async def _kafka(self) -> str:
        """A worker that finds all partitions taken is ready to take over: it has joined, and has nothing to do."""
        if self._assigned() is None:
            raise Unavailable("joining the consumer group", "kafka")
        return "; ".join(f"{lane}: {_said(backlogs)}" for lane, backlogs in (await self._backlogs()).items())

    async def _history(self) -> str:
        """A new start is needed, which no probe of liveness may bring about: live documents go on."""
        if reason := self._why_history_stands_still():
            raise FinsentryError(f"history stands still: {reason}")
        return "goes on"

    async def _backlogs(self) -> dict[Lane, list[PartitionBacklog]]:
        """By lane, of the partitions that this worker has; of history that stands still, those that it had."""
        assigned = self._assigned() or frozenset()
        return {
            lane: [
                backlog
                for backlog in await self._reader.partitions(topic, group)
                if (topic, backlog.partition) in assigned
            ]
            for lane, (topic, group) in self._groups.items()
        }


def _any_waits(backlogs: Sequence[PartitionBacklog]) -> bool:
    return any(backlog.lag for backlog in backlogs)


def _said(backlogs: Sequence[PartitionBacklog]) -> str:
    if not backlogs:
        return "other workers have all the partitions"
    return f"{len(backlogs)} partitions, {sum(backlog.lag for backlog in backlogs)} messages wait"
