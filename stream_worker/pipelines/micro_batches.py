"""Messages in, acknowledged batches out: the one owner of batching.

A batch leaves when it is full, or when its first message has waited the budget; while as many are under way as may be,
it goes on filling instead, so that batches grow with the load. A few are prepared side by side, so that Triton works
while Postgres commits; they are committed, emitted and acknowledged in the order in which they were filled.
"""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from stream_worker.pipelines.batch import Message
from stream_worker.pipelines.scoring import ScoringPipeline

#: How long a drain waits for abandoned batches to let go of their connections.
CANCEL_SECONDS = 2.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """When a batch leaves, and how many may be under way besides the one that is being filled."""

    documents: int
    bytes: int
    wait_seconds: float
    in_flight: int


class MicroBatches:
    """Fills batches and sends them through the pipeline. For one event loop.

    `acknowledge` is called with the messages of each batch, in batch order, after their emissions were acknowledged.
    `fail` is called with each error that the pipeline could not cure; from the first on nothing is acknowledged.
    """

    def __init__(
        self,
        pipeline: ScoringPipeline,
        limits: Limits,
        acknowledge: Callable[[list[Message]], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._pipeline = pipeline
        self._limits = limits
        self._acknowledge = acknowledge
        self._fail = fail
        self._filling: list[Message] = []
        self._filling_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._left = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._previous: asyncio.Task[None] | None = None
        self._drains = 0

    async def put(self, message: Message) -> None:
        """Add a message; waits while the batch is full and cannot leave (back-pressure).

        A message that a drain overtakes while it waits is dropped: it will be read again, and acknowledging it before
        the abandoned ones in front of it would lose those.
        """
        drains = self._drains
        while self._is_full():
            self._left.clear()
            await self._left.wait()
            if drains != self._drains:
                return
        if not self._filling:
            self._timer = asyncio.get_running_loop().call_later(self._limits.wait_seconds, self._overdue)
        self._filling.append(message)
        self._filling_bytes += len(message.value or b"")
        self._leave_if_due()

    async def drain(self, seconds: float) -> bool:
        """Finish what was put, for so many seconds at the most; what is left then is abandoned, unacknowledged.

        Returns whether everything was finished.
        """
        self._drains += 1
        self._leave()
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

    def _is_full(self) -> bool:
        return len(self._filling) >= self._limits.documents or self._filling_bytes >= self._limits.bytes

    def _overdue(self) -> None:
        self._timer = None
        self._leave_if_due()

    def _leave_if_due(self) -> None:
        if (self._timer is None or self._is_full()) and len(self._running) < self._limits.in_flight:
            self._leave()

    def _leave(self) -> None:
        """Send the batch that is being filled on its way."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._filling:
            return
        messages, self._filling, self._filling_bytes = self._filling, [], 0
        self._left.set()
        task = asyncio.create_task(self._run(uuid.uuid4().hex[:12], messages, self._previous))
        self._previous = task
        self._running.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)
        self._leave_if_due()

    async def _run(self, batch_id: str, messages: list[Message], previous: asyncio.Task[None] | None) -> None:
        batch = await self._pipeline.prepare(batch_id, messages)
        if previous is not None:
            # A failed or abandoned predecessor leaves its messages unacknowledged: nothing may overtake them.
            await asyncio.shield(previous)
        await self._pipeline.emit(await self._pipeline.commit(batch))
        self._acknowledge(messages)
