"""Batches under way: prepared side by side, so that Triton works while Postgres commits; committed, emitted and
acknowledged in the order in which they were started."""

import asyncio
import uuid
from collections.abc import Callable

import structlog

from stream_worker.domain.lanes import Lane
from stream_worker.metrics import stage
from stream_worker.pipelines.batch import Message
from stream_worker.pipelines.measures import BatchMeasures
from stream_worker.pipelines.scoring import ScoringPipeline

#: How long a drain waits for abandoned batches to let go of their connections.
CANCEL_SECONDS = 2.0

_log = structlog.get_logger(__name__)


class BatchChain:
    """Sends batches through the pipeline. For one event loop.

    `acknowledge` is called with the messages of each batch, in batch order, after their emissions were acknowledged.
    `fail` is called with each error that the pipeline could not cure; from the first on nothing is acknowledged.
    `ended` is called after each batch, however it ended.
    """

    def __init__(
        self,
        pipeline: ScoringPipeline,
        acknowledge: Callable[[list[Message]], None],
        fail: Callable[[BaseException], None],
        ended: Callable[[], None] = lambda: None,
        lane: Lane = Lane.LIVE,
    ) -> None:
        self._pipeline = pipeline
        self._lane = lane
        self._measures = BatchMeasures(lane)
        self._acknowledge = acknowledge
        self._fail = fail
        self._ended = ended
        self._running: set[asyncio.Task[None]] = set()
        self._previous: asyncio.Task[None] | None = None

    @property
    def under_way(self) -> int:
        """Batches that were started and have not ended."""
        return len(self._running)

    def start(self, messages: list[Message]) -> None:
        """Send a batch on its way, behind those that are under way."""
        self._measures.started(messages)
        task = asyncio.create_task(self._run(uuid.uuid4().hex[:12], messages, self._previous))
        self._previous = task
        self._running.add(task)
        task.add_done_callback(self._done)

    async def fewer_than(self, batches: int, seconds: float) -> bool:
        """Wait, for so many seconds at the most, until fewer than so many are under way; whether they are."""
        if len(self._running) >= batches:
            await asyncio.wait(self._running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return len(self._running) < batches

    async def drain(self, seconds: float) -> bool:
        """Finish what is under way, for so many seconds at the most; what is left then is abandoned, unacknowledged.

        Returns whether everything was finished.
        """
        running = set(self._running)
        if running:
            _, running = await asyncio.wait(running, timeout=seconds)
        for task in running:
            task.cancel()
        if running:
            # Rolling back on a server that hangs may last; a cancelled batch acknowledges nothing, whenever it ends.
            await asyncio.wait(running, timeout=CANCEL_SECONDS)
            _log.warning("abandoned batches, they will be read again", batches=len(running))
        self._previous = None
        return not running

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._measures.ended()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)
        self._ended()

    async def _run(self, batch_id: str, messages: list[Message], previous: asyncio.Task[None] | None) -> None:
        with stage("prepare", self._lane):
            batch = await self._pipeline.prepare(batch_id, messages)
        if previous is not None:
            # A failed or abandoned predecessor leaves its messages unacknowledged: nothing may overtake them.
            with stage("wait", self._lane):
                await asyncio.shield(previous)
        with stage("commit", self._lane):
            emissions = await self._pipeline.commit(batch)
        self._measures.committed(messages)
        with stage("emit", self._lane):
            await self._pipeline.emit(emissions)
        self._acknowledge(messages)
