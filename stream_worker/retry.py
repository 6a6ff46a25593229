"""Going on trying while a server is away. Nothing is given up: the only ways out are success, an error that no later
try can cure, and cancellation."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from aiokafka.errors import KafkaError, KafkaTimeoutError

from stream_worker.errors import Unavailable
from stream_worker.metrics import RETRIES
from stream_worker.progress import Progress
from stream_worker.storage.engine import is_passing

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0

_log = structlog.get_logger(__name__)


async def until_available(attempt: Callable[[], Awaitable[T]], what: str, progress: Progress | None = None) -> T:
    """The result of `attempt`, tried again with back-off and jitter while Kafka, Triton or Postgres is away.

    `progress` is told what is waited for, and why.
    """
    pause = FIRST_PAUSE_SECONDS
    try:
        while True:
            try:
                return await attempt()
            except Exception as error:
                if not _may_pass(error):
                    raise
                RETRIES.labels(_server(error)).inc()
                if progress is not None:
                    progress.waits_for(what, _reason(error))
                _log.warning("away, trying again", what=what, error=_reason(error), pause_seconds=round(pause, 2))
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
    finally:
        if progress is not None:
            progress.waits_no_more(what)


def _may_pass(error: Exception) -> bool:
    if isinstance(error, KafkaError):
        return bool(error.retriable) or isinstance(error, KafkaTimeoutError)
    return isinstance(error, Unavailable) or is_passing(error)


def _server(error: Exception) -> str:
    """Who is away; the value of a label."""
    if isinstance(error, KafkaError):
        return "kafka"
    return error.server if isinstance(error, Unavailable) else "postgres"


def _reason(error: Exception) -> str:
    return str(error)[:300]
