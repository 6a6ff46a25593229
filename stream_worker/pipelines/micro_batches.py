"""Messages in, acknowledged batches out: the one owner of batching.

A batch leaves when it is full, or when its first message has waited the budget; while as many are under way as may be,
it goes on filling instead, so that batches grow with the load.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from stream_worker.pipelines.batch import Message
from stream_worker.pipelines.batch_chain import BatchChain
from stream_worker.pipelines.scoring import ScoringPipeline


@dataclass(frozen=True, slots=True)
class Limits:
    """When a batch leaves, and how many may be under way besides the one that is being filled."""

    documents: int
    bytes: int
    wait_seconds: float
    in_flight: int


class MicroBatches:
    """Fills batches and sends them through the pipeline; for `acknowledge` and `fail` see `BatchChain`."""

    def __init__(
        self,
        pipeline: ScoringPipeline,
        limits: Limits,
        acknowledge: Callable[[list[Message]], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._limits = limits
        self._chain = BatchChain(pipeline, acknowledge, fail, ended=self._leave_if_due)
        self._filling: list[Message] = []
        self._filling_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._left = asyncio.Event()
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
        """Finish what was put, see `BatchChain.drain`."""
        self._drains += 1
        self._leave()
        return await self._chain.drain(seconds)

    def _is_full(self) -> bool:
        return len(self._filling) >= self._limits.documents or self._filling_bytes >= self._limits.bytes

    def _overdue(self) -> None:
        self._timer = None
        self._leave_if_due()

    def _leave_if_due(self) -> None:
        if (self._timer is None or self._is_full()) and self._chain.under_way < self._limits.in_flight:
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
        self._chain.start(messages)
