"""Publishing a file, or what the generator makes, to a topic of documents."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial

import orjson
import structlog

from stream_worker.ingest.due import Due
from stream_worker.ingest.floor import Floor
from stream_worker.ingest.lines import Line
from stream_worker.ingest.pace import Pace
from stream_worker.ingest.publisher import Publisher

#: After a stop, what was handed over may take so long to be acknowledged.
_STOP_SECONDS = 10.0
#: What was published since the last note is published again after a kill.
_NOTE_SECONDS = 1.0
_PASSED_AT_ONCE = 1000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a replay did. `lines` counts all that were read but those `published_before`, which an earlier run of it had
    published; offsets are (first, last) per partition."""

    published_before: int
    lines: int
    acknowledged: int
    bytes: int
    seconds: float
    too_large: int
    unacknowledged: int
    interrupted: bool
    partitions: dict[int, tuple[int, int]]

    @property
    def complete(self) -> bool:
        """Whether every line that was read stands in the topic."""
        return self.acknowledged == self.lines

    def as_json(self) -> dict[str, object]:
        """For scripts."""
        partitions = {str(p): {"first": first, "last": last} for p, (first, last) in sorted(self.partitions.items())}
        return {**asdict(self), "partitions": partitions}


def due_lines(lines: Iterable[Line], rate: float | None) -> Iterator[Due]:
    """Lines at an even rate a second, or all of them at once."""
    for count, line in enumerate(lines):
        yield Due(count / rate if rate else 0.0, line.value, line.origin)


def key_of(message: bytes) -> bytes | None:
    """The Kafka key of a document: its id, else its url; None where it has neither."""
    try:
        document = orjson.loads(message)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict):
        return None
    names = (document.get("id"), document.get("url"))
    return next((name.encode() for name in names if isinstance(name, str) and name), None)


class Replay:
    """One replay through a publisher of its own: publishes messages, each when it is due, and counts."""

    def __init__(
        self,
        publisher: Publisher,
        *,
        pace: Pace | None = None,
        noted: Callable[[int], None] = lambda lines: None,
        published_before: int = 0,
        key_by_id: bool = False,
        on_message: Callable[[], None] = lambda: None,
    ) -> None:
        """The first `published_before` messages are passed over.

        `noted` is told, about once a second and at the end, how many messages from the beginning are settled:
        acknowledged, or counted as not published.
        """
        self._publisher = publisher
        self._pace = pace or Pace()
        self._noted = noted
        self._published_before = published_before
        self._floor = Floor(published_before)
        self._key_by_id = key_by_id
        self._on_message = on_message
        self._lines = 0
        self._too_large = 0

    async def run(self, messages: Iterable[Due], stop: asyncio.Event) -> Summary:
        """Publish the messages until they end or `stop` is set.

        Waits for as long as Kafka is away, and at the end for every acknowledgement (after a stop, for 10 s of them).
        Raises FinsentryError where Kafka refuses everything, or where a file cannot be read to its end.
        """
        began = time.monotonic()
        publishing = asyncio.ensure_future(self._publish(messages))
        stopping = asyncio.ensure_future(stop.wait())
        noting = asyncio.ensure_future(self._note_regularly())
        try:
            await asyncio.wait({publishing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            interrupted = not publishing.done()
            publishing.cancel()
            with suppress(asyncio.CancelledError):
                await publishing
            if interrupted:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._publisher.flush(), _STOP_SECONDS)
        finally:
            for task in (publishing, stopping, noting):
                task.cancel()
            self._noted(self._floor.value)
        return self._summary(time.monotonic() - began, interrupted)

    async def _publish(self, messages: Iterable[Due]) -> None:
        for number, message in enumerate(messages):
            if number < self._published_before:
                await self._pass_over(number, message)
                continue
            await self._pace.until(message.after_seconds)
            self._lines += 1
            if not await self._publish_one(message.value, partial(self._floor.ended, number)):
                self._too_large += 1
                self._floor.ended(number)
                _log.error("a line is over the topic's limit for a message", origin=message.origin)
            self._pace.taken(message.after_seconds)
            self._on_message()
        await self._publisher.flush()

    async def _pass_over(self, number: int, message: Due) -> None:
        self._pace.begin_at(message.after_seconds)
        if number % _PASSED_AT_ONCE == 0:
            await asyncio.sleep(0)

    async def _publish_one(self, value: bytes | None, settled: Callable[[], None]) -> bool:
        if value is None:
            return False
        return await self._publisher.publish(value, key_of(value) if self._key_by_id else None, settled)

    async def _note_regularly(self) -> None:
        while True:
            await asyncio.sleep(_NOTE_SECONDS)
            self._noted(self._floor.value)

    def _summary(self, seconds: float, interrupted: bool) -> Summary:
        delivery = self._publisher.delivery
        return Summary(
            published_before=self._published_before,
            lines=self._lines,
            acknowledged=delivery.acknowledged,
            bytes=delivery.acknowledged_bytes,
            seconds=round(seconds, 3),
            too_large=self._too_large,
            unacknowledged=self._lines - self._too_large - delivery.acknowledged,
            interrupted=interrupted,
            partitions=dict(delivery.offsets),
        )
