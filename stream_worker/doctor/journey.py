"""The way of one marked document, from Kafka to the live view and back out of it: every step watched and timed."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

from stream_worker.doctor.diagnosis import Diagnosis
from stream_worker.doctor.ends import Ends, open_ends
from stream_worker.doctor.marked import MarkedDocument
from stream_worker.doctor.traces import Place, Traces
from stream_worker.errors import FinsentryError, in_words
from stream_worker.ingest.backlog import BacklogReader
from stream_worker.settings import Clock, Settings
from stream_worker.storage.engine import create_engine
from stream_worker.storage.live import connect
from stream_worker.storage.migrate import require_current

T = TypeVar("T")

_POLL_SECONDS = 0.02


class _Failed(FinsentryError):
    """A step has another outcome than it should; the message says what that means and what to do."""


@dataclass(frozen=True, slots=True)
class Step:
    """How long a step took and what was seen; or, where it failed, the problem: what that means and what to do."""

    name: str
    title: str
    seconds: float
    detail: str = ""
    problem: str = ""


class Journey:
    """Of one document; an asynchronous context manager. Each step may take `timeout_seconds`.

    A document that was sent is taken back at the end, whatever became of it.
    """

    def __init__(self, settings: Settings, timeout_seconds: float) -> None:
        self._settings = settings
        self._timeout_seconds = timeout_seconds
        self._engine = create_engine(settings.require_database_url(), pool_size=1)
        self._redis = connect(settings.require_redis_url())
        self._reader = BacklogReader(settings.require_kafka_bootstrap())
        self._traces = Traces(self._engine, self._redis, settings.clock)
        self._diagnosis = Diagnosis(settings, self._engine, self._reader)
        self._stack = AsyncExitStack()
        self._ends: Ends
        self._document: MarkedDocument
        self._place: Place
        self._counted_at: datetime
        self._is_out = False

    async def __aenter__(self) -> "Journey":
        self._stack.push_async_callback(self._engine.dispose)
        self._stack.push_async_callback(self._redis.aclose)
        await self._stack.enter_async_context(self._reader)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._is_out:
            # It follows its document in the same partition, whenever a worker comes to read them.
            with suppress(Exception):
                async with asyncio.timeout(self._timeout_seconds):
                    await self._ends.send(self._document.retraction, self._document.document_id)
        await self._stack.aclose()

    async def steps(self) -> AsyncIterator[Step]:
        """As they happen, up to the last or the first that fails."""
        way: dict[str, tuple[str, Callable[[], Awaitable[str]]]] = {
            "postgres": ("Postgres has this program's schema", self._look_at_postgres),
            "kafka": ("Kafka takes the document", self._send),
            "receipt": ("a worker writes its receipt", self._see_receipt),
            "score": ("it has a score", self._see_score),
            "scores": ("the score is on the topic scores", self._see_score_published),
            "window": ("the monitor counts it", self._see_counted),
            "live": ("the live view shows it", self._see_shown),
            "retraction": ("it is taken back everywhere", self._take_back),
        }
        for name, (title, attempt) in way.items():
            began = time.perf_counter()
            step = partial(Step, name, title)
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    detail = await attempt()
            except FinsentryError as error:
                yield step(time.perf_counter() - began, problem=str(error))
                return
            except Exception as error:  # noqa: BLE001 - whatever a client raises, the step has failed
                yield step(
                    time.perf_counter() - began, problem=f"{self._reason(error)}. {await self._diagnosis.of(name)}"
                )
                return
            yield step(time.perf_counter() - began, detail)

    def _reason(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"Not within {self._timeout_seconds:g} s"
        return in_words(error).capitalize()

    async def _look_at_postgres(self) -> str:
        await require_current(self._engine)
        self._document = MarkedDocument.new(await self._traces.now())
        return f"document {self._document.document_id}"

    async def _send(self) -> str:
        self._ends = await self._stack.enter_async_context(open_ends(self._settings))
        self._place = await self._ends.send(self._document.message, self._document.document_id)
        self._is_out = True
        return str(self._place)

    async def _see_receipt(self) -> str:
        return await self._accepted(self._place)

    async def _accepted(self, place: Place) -> str:
        receipt = await _seen(lambda: self._traces.receipt(place))
        if receipt.outcome != "accepted":
            raise _Failed(
                f"The receipt says {receipt.outcome} {receipt.refusal}".rstrip()
                + ": worker and doctor are of different versions, or somebody else sends this document."
            )
        return receipt.outcome

    async def _see_score(self) -> str:
        score = await _seen(lambda: self._traces.score(self._document.document_id))
        if score.model_version is None:
            raise _Failed(f"It is stored without a score ({score.unscored_reason}): do the models know English?")
        return f"polarity {score.polarity:+.2f} by {score.model_version.partition('@')[0]}"

    async def _see_score_published(self) -> str:
        await _seen(lambda: self._ends.has_published(self._document.document_id))
        return ""

    async def _see_counted(self) -> str:
        await self._counted()
        self._counted_at = await self._traces.now()
        return ""

    async def _counted(self) -> None:
        await _seen(lambda: self._traces.is_counted(self._document.document_id))

    async def _see_shown(self) -> str:
        return await _seen(self._shown)

    async def _shown(self) -> str | None:
        if await self._traces.is_shown(self._document.document_id):
            return "in Redis"
        shown_at = await self._traces.shown_at()
        if self._settings.clock is Clock.WALL and shown_at is not None and shown_at > self._counted_at:
            return "in Redis; newer documents have pushed it off the live feed"
        return None

    async def _is_gone(self) -> bool:
        return not await self._traces.is_shown(self._document.document_id)

    async def _take_back(self) -> str:
        document_id = self._document.document_id
        place = await self._ends.send(self._document.retraction, document_id)
        self._is_out = False
        await self._accepted(place)
        await self._counted()
        await _seen(self._is_gone)
        return "no mark of it is left, and the live feed does not show it"


async def _seen(look: Callable[[], Awaitable[T | None]]) -> T:
    """What a look shows, once it shows anything."""
    while True:
        if found := await look():
            return found
        await asyncio.sleep(_POLL_SECONDS)
