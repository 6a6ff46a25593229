"""Publishing messages so that each is acknowledged by Kafka, or counted as one that was not."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Self

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from stream_worker.errors import FinsentryError, Unavailable

#: Messages wait so long for others to share their batch.
_LINGER_MS = 10
_BATCH_BYTES = 128 * 1024
_PAUSE_SECONDS = 0.2
#: So many producers broken without one message acknowledged mean that the next one will break as well.
_MAX_RENEWALS_IN_A_ROW = 10
#: Closing a producer whose broker is away would take for ever; what it held has been counted by then.
_CLOSE_SECONDS = 5.0

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Delivery:
    """What became of the messages so far. Offsets are (first, last) per partition."""

    acknowledged: int = 0
    acknowledged_bytes: int = 0
    refused: int = 0
    offsets: dict[int, tuple[int, int]] = field(default_factory=dict)

    def note(self, size: int, partition: int, offset: int) -> None:
        """A message of that many bytes stands there."""
        self.acknowledged += 1
        self.acknowledged_bytes += size
        first, last = self.offsets.get(partition, (offset, offset))
        self.offsets[partition] = min(first, offset), max(last, offset)


@dataclass(frozen=True, slots=True)
class _Message:
    value: bytes | None
    key: bytes | None
    settled: Callable[[], None]


class Publisher:
    """Publishes to one topic, idempotently and with acks=all. An asynchronous context manager, for one event loop.

    While Kafka is away, `publish` and `flush` wait for as long as it takes; memory stays bounded by a few batches. A
    producer that has broken (its sequence is lost, a batch was refused) is replaced, and what it had not delivered is
    sent again one by one: such a message may then stand in the topic twice, but none is missing without being counted.
    """

    def __init__(self, bootstrap: str, topic: str, max_message_bytes: int) -> None:
        self.delivery = Delivery()
        self._bootstrap = bootstrap
        self._topic = topic
        self._max_message_bytes = max_message_bytes
        self._producer: AIOKafkaProducer | None = None
        self._unsettled = 0
        self._undelivered: deque[_Message] = deque()
        self._settled = asyncio.Event()
        self._renewals = 0

    @property
    def unacknowledged(self) -> int:
        """Messages that Kafka has neither acknowledged nor been given up."""
        return self._unsettled + len(self._undelivered)

    async def __aenter__(self) -> Self:
        """Connect. Raises Unavailable where Kafka does not answer."""
        try:
            self._producer = await self._start_producer()
        except KafkaError as error:
            raise Unavailable(f"Kafka at {self._bootstrap} does not answer: {error}.") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._producer is not None:
            with suppress(KafkaError, TimeoutError):
                await asyncio.wait_for(self._producer.stop(), _CLOSE_SECONDS)

    async def publish(
        self, value: bytes | None, key: bytes | None = None, settled: Callable[[], None] = lambda: None
    ) -> bool:
        """Hand a message over; False where it is over the broker's limit. `flush` tells when all were acknowledged.

        `settled` is called when this one was acknowledged, or refused twice: not in the order of handing over. Raises
        FinsentryError where Kafka refuses message after message.
        """
        await self._resend_undelivered()
        message = _Message(value, key, settled)
        try:
            await self._hand_over(message)
        except MessageSizeTooLargeError:
            return False
        return True

    async def flush(self) -> None:
        """Returns when every message was acknowledged, or refused twice. Raises FinsentryError like `publish`."""
        while self.unacknowledged:
            await self._resend_undelivered()
            self._settled.clear()
            if self._unsettled:
                await self._settled.wait()

    async def _hand_over(self, message: _Message) -> "asyncio.Future[Any]":
        while True:
            try:
                assert self._producer is not None
                future: asyncio.Future[Any] = await self._producer.send(self._topic, message.value, message.key)
            except MessageSizeTooLargeError:
                raise
            except KafkaTimeoutError:
                continue  # The queue is full and Kafka is away: the message was not taken.
            except KafkaError as error:
                _log.warning("Kafka does not take messages", error=str(error) or repr(error))
                await asyncio.sleep(_PAUSE_SECONDS)
                if not error.retriable:
                    await self._renew_producer()
                continue
            self._unsettled += 1
            future.add_done_callback(partial(self._on_settled, message))
            return future

    def _on_settled(self, message: _Message, future: "asyncio.Future[Any]") -> None:
        self._unsettled -= 1
        self._settled.set()
        if future.cancelled() or future.exception() is not None:
            self._undelivered.append(message)
            return
        self._renewals = 0
        record = future.result()
        self.delivery.note(len(message.value or b""), record.partition, record.offset)
        message.settled()

    async def _resend_undelivered(self) -> None:
        """Give every message of a broken producer a second try, alone: one bad message must not take others along."""
        if not self._undelivered:
            return
        await self._renew_producer()
        for _ in range(len(self._undelivered)):
            message = self._undelivered.popleft()
            future = await self._hand_over(message)
            try:
                await future
            except KafkaError as error:
                self._undelivered.remove(message)
                self._refuse(message, error)
                await self._renew_producer()

    def _refuse(self, message: _Message, error: KafkaError) -> None:
        self.delivery.refused += 1
        message.settled()
        _log.error("Kafka refuses a message", bytes=len(message.value or b""), error=str(error) or repr(error))

    async def _renew_producer(self) -> None:
        """A new producer in place of the old one, all of whose messages are settled afterwards."""
        self._renewals += 1
        if self._renewals > _MAX_RENEWALS_IN_A_ROW:
            raise FinsentryError(f"Kafka at {self._bootstrap} takes no message from producer after producer.")
        assert self._producer is not None
        await self._producer.stop()
        while True:
            try:
                self._producer = await self._start_producer()
            except KafkaError as error:
                _log.warning("Kafka is away", error=str(error) or repr(error))
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return

    async def _start_producer(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            enable_idempotence=True,
            linger_ms=_LINGER_MS,
            max_batch_size=min(_BATCH_BYTES, self._max_message_bytes),
            max_request_size=self._max_message_bytes,
        )
        return await started(producer)


async def started(producer: AIOKafkaProducer) -> AIOKafkaProducer:
    """Start a producer; one that cannot start is closed before its error is raised."""
    try:
        await producer.start()
    except BaseException:
        await producer.stop()
        raise
    return producer
