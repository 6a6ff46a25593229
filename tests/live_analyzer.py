"""The analyzer of a worker's live lane."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stream_worker.domain.lanes import Lane
from stream_worker.inference.analyzer import Analyzer
from stream_worker.inference.opening import open_lanes
from stream_worker.settings import Settings


@asynccontextmanager
async def open_analyzer(settings: Settings) -> AsyncIterator[Analyzer]:
    """Raises what `open_lanes` raises."""
    async with open_lanes(settings) as analyzers:
        yield analyzers[Lane.LIVE]
