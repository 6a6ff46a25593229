"""Live documents first: history gets the models only while live documents do not ask them.

It gives way where both meet, at the forward passes, which are nearly all of the work: whatever the other stages do, a
live document waits for no more than the few short passes of history that are under way.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_worker.inference.backend import Backend


class LeadingBackend:
    """A backend that knows whether it has passes under way. For one event loop."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._under_way = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

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
                self._quiet.set()

    async def check(self) -> None:
        """See `Backend`."""
        await self._backend.check()

    async def until_quiet(self) -> None:
        """Returns when no pass is under way."""
        while self._under_way:
            await self._quiet.wait()


class YieldingBackend:
    """The same backend for who can wait: at most `at_once` passes of each model, none begun while others lead."""

    def __init__(self, backend: Backend, leading: LeadingBackend, at_once: int) -> None:
        self._backend = backend
        self._leading = leading
        self._turns: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(at_once))

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
