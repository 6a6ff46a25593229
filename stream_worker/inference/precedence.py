"""Live documents first: history gets the models only while live documents do not ask them.

It gives way where both meet, at the forward passes, which are nearly all of the work: whatever the other stages do, a
live document waits for no more than one short pass of history.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_worker.inference.backend import Backend

#: Live documents are coming as long as the last one was asked about less than this ago.
QUIET_SECONDS = 0.5
#: Padded tokens in a pass of history while live documents come, and otherwise: some 10 and 30 ms on two cores. Longer
#: ones would be no faster; shorter ones lose a fifth.
SHORT_PASS_TOKENS = 128
PASS_TOKENS = 384


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

    async def until_quiet(self) -> None:
        """Returns when no pass is under way."""
        while self._under_way:
            await self._quiet.wait()


class YieldingBackend:
    """The same backend for who can wait: one pass of each model at a time, and none is begun while others lead."""

    def __init__(self, backend: Backend, leading: LeadingBackend) -> None:
        self._backend = backend
        self._leading = leading
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def infer(
        self, model: str, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> Mapping[str, NDArray[Any]]:
        """See `Backend`; waits for as long as the leading one is busy."""
        async with self._turns[model]:
            await self._leading.until_quiet()
            return await self._backend.infer(model, input_ids, attention_mask)

    async def check(self) -> None:
        """See `Backend`."""
        await self._backend.check()

    def pass_tokens(self) -> int:
        """How many padded tokens a pass should have now."""
        return PASS_TOKENS if self._leading.quiet_seconds > QUIET_SECONDS else SHORT_PASS_TOKENS
