"""Politeness: one request to a host at a time, and a pause between two."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class HostTurns:
    """Turns at asking a host. Holds one lock and one time for each host that was ever asked."""

    def __init__(self, pause_seconds: float) -> None:
        self._pause_seconds = pause_seconds
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._free_at: dict[str, float] = {}

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Wait for the host's turn, and hold it."""
        time = asyncio.get_running_loop().time
        async with self._locks[host]:
            await asyncio.sleep(self._free_at.get(host, 0.0) - time())
            try:
                yield
            finally:
                self._free_at[host] = time() + self._pause_seconds
