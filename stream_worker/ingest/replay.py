"""Publishing a file, or what the generator makes, to the documents topic."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass

import orjson
import structlog

from stream_worker.ingest.due import Due
from stream_worker.ingest.lines import Line
from stream_worker.ingest.publisher import Publisher

#: After a stop, what was handed over may take so long to be acknowledged.
_STOP_SECONDS = 10.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a replay did. `lines` counts all that were read; offsets are (first, last) per partition."""

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
        yield Due(count / rate if rate else 0.0, line.value, f"{line.path}:{line.number}")


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
        self, publisher: Publisher, *, key_by_id: bool = False, on_message: Callable[[], None] = lambda: None
    ) -> None:
        self._publisher = publisher
        self._key_by_id = key_by_id
        self._on_message = on_message
        self._lines = 0
        self._too_large = 0

    async def run(self, messages: Iterable[Due], stop: asyncio.Event) -> Summary:
        """Publish the messages' bytes unchanged until they end or `stop` is set.

        Waits for as long as Kafka is away, and at the end for every acknowledgement (after a stop, for 10 s of them).
        Raises FinsentryError where Kafka refuses everything, or where a file cannot be read to its end.
        """
        began = time.monotonic()
        publishing = asyncio.ensure_future(self._publish(messages, began))
        stopping = asyncio.ensure_future(stop.wait())
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
            publishing.cancel()
            stopping.cancel()
        return self._summary(time.monotonic() - began, interrupted)

    async def _publish(self, messages: Iterable[Due], began: float) -> None:
        for message in messages:
            wait_seconds = began + message.after_seconds - time.monotonic()
            if wait_seconds > 0:
                await asyncio.sleep(wait_seconds)
            self._lines += 1
            if not await self._publish_one(message.value):
                self._too_large += 1
                _log.error("a line is over the topic's limit for a message", origin=message.origin)
            self._on_message()
        await self._publisher.flush()

    async def _publish_one(self, value: bytes | None) -> bool:
        if value is None:
            return False
        return await self._publisher.publish(value, key_of(value) if self._key_by_id else None)

    def _summary(self, seconds: float, interrupted: bool) -> Summary:
        delivery = self._publisher.delivery
        return Summary(
            lines=self._lines,
            acknowledged=delivery.acknowledged,
            bytes=delivery.acknowledged_bytes,
            seconds=round(seconds, 3),
            too_large=self._too_large,
            unacknowledged=self._lines - self._too_large - delivery.acknowledged,
            interrupted=interrupted,
            partitions=dict(delivery.offsets),
        )
