"""Live documents first: history gets the models while live documents do not ask them, and otherwise very little.

It gives way where both meet, at the forward passes, which are nearly all of the work: a live document waits for no more
than one short pass of history.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_worker.inference.backend import Backend

#: Live documents are coming as long as the last one was asked about less than this ago.
QUIET_SECONDS = 0.5
#: Padded tokens in a pass of history while live documents come: some 10 ms on two cores.
SHORT_PASS_TOKENS = 128
#: And otherwise: some 30 ms, and as fast as live documents are.
PASS_TOKENS = 384
#: While live documents come, a pass is followed by a rest of so many times its own length.
RESTS = 2.0
#: History waits so long for a moment without live passes, then begins one all the same. Small batches keep the models
#: busy without a gap at half of the full load already: without an end to waiting history would stand still for hours.
PATIENCE_SECONDS = 0.25


class LeadingBackend:
    """A backend that knows whether it has passes under way. For one event loop."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._under_way = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._quiet_since = float("-inf")

    async def infer(
        self, model: str, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> Mapping[str, NDArray[Any]]:
        """See `Backend`."""
        self._under_way += 1
        self._quiet.clear()
        try:
            return await self._backend.infer(model, input_ids, attention_mask)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._quiet_since = time.monotonic()
                self._quiet.set()

    async def check(self) -> None:
        """See `Backend`."""
        await self._backend.check()

    @property
    def quiet_seconds(self) -> float:
        """How long no pass has been under way."""
        return 0.0 if self._under_way else time.monotonic() - self._quiet_since

    async def quiet_within(self, seconds: float) -> None:
        """Returns when no pass is under way, or after so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._under_way:
                    await self._quiet.wait()


class YieldingBackend:
    """The same backend for who can wait: a pass is begun where the other one leaves a gap, or patience has an end.

    While that one is quiet, a pass of each model is under way at a time. Otherwise one of all models, with a rest after
    it: the passes would take both cores, and the other stages of live documents need them too.
    """

    def __init__(self, backend: Backend, leading: LeadingBackend) -> None:
        self._backend = backend
        self._leading = leading
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._only_turn = asyncio.Lock()
        self._rested_at = 0.0

    async def infer(
        self, model: str, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> Mapping[str, NDArray[Any]]:
        """See `Backend`; waits for the leading one."""
        async with self._turns[model]:
            if self._has_room:
                return await self._backend.infer(model, input_ids, attention_mask)
            async with self._only_turn:
                await asyncio.sleep(self._rested_at - time.monotonic())
                await self._leading.quiet_within(PATIENCE_SECONDS)
                began = time.monotonic()
                try:
                    return await self._backend.infer(model, input_ids, attention_mask)
                finally:
                    ended = time.monotonic()
                    self._rested_at = ended + RESTS * (ended - began)

    async def check(self) -> None:
        """See `Backend`."""
        await self._backend.check()

    def pass_tokens(self) -> int:
        """How many padded tokens a pass should have now."""
        return PASS_TOKENS if self._has_room else SHORT_PASS_TOKENS

    @property
    def _has_room(self) -> bool:
        return self._leading.quiet_seconds > QUIET_SECONDS
