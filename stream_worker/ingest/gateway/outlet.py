"""The gateway's side of Kafka: a document is acknowledged within a deadline, or its sender is told to come again."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from stream_worker.domain.lanes import Lane
from stream_worker.errors import Unavailable
from stream_worker.ingest.publisher import started
from stream_worker.ingest.topics import documents_topic, max_message_bytes
from stream_worker.progress import Progress
from stream_worker.retry import until_available
from stream_worker.settings import Settings

#: Messages of other requests are waited for so long, to share a batch.
_LINGER_MS = 5
_BATCH_BYTES = 512 * 1024
#: What Kafka adds to a document: the key, the record's and the batch's heads.
_ENVELOPE_BYTES = 256
#: How often Kafka is asked whether it is there, and how long it may take to say so.
_LOOK_SECONDS = 1.0
_ANSWER_SECONDS = 2.0
#: After so long without an answer the brokers are looked up anew from the bootstrap addresses.
_RENEW_SECONDS = 30.0
#: A failed publication says so long that Kafka may be unwell, even where it answers questions.
_DOUBT_SECONDS = 10.0
_CLOSE_SECONDS = 3.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands in its topic."""

    partition: int
    offset: int


class Outlet:
    """Publishes to the topics of both lanes through one producer, for one event loop. `run` keeps it connected.

    Not idempotent in Kafka's sense, on purpose: an idempotent producer never gives up a batch, so that memory would
    fill while Kafka is away. A message may come to stand in the topic twice; the worker counts it once.
    """

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self._settings = settings
        self._progress = progress
        self._topics = {lane: documents_topic(settings, lane) for lane in Lane}
        self._deadline_seconds = settings.gateway_publish_seconds
        self._producer: AIOKafkaProducer | None = None
        self._answers = False
        self._acknowledged_at = -math.inf
        self._failed_at = -math.inf
        self._broken = asyncio.Event()
        # Where batches are full, aiokafka takes whoever comes at the right moment, and others never.
        self._turn = asyncio.Lock()
        self._max_message_bytes = 0

    def topic(self, lane: Lane) -> str:
        """Where the documents of a lane are published."""
        return self._topics[lane]

    @property
    def max_message_bytes(self) -> int:
        """The longest document that both topics take; known as soon as Kafka has answered once."""
        return self._max_message_bytes

    async def check(self) -> str:
        """Whether documents can be published, for a readiness probe. Raises Unavailable where it is not likely."""
        self.require_kafka()
        if self._failed_at > max(self._acknowledged_at, time.monotonic() - _DOUBT_SECONDS):
            raise Unavailable("Kafka answers, but did not take what it was last given.", "kafka")
        return f"Kafka answers, and {self._topics[Lane.LIVE]} has a leader"

    def require_kafka(self) -> None:
        """Raises Unavailable while Kafka is known to be away."""
        if not self._answers:
            raise Unavailable("Kafka does not answer.", "kafka")

    async def publish(self, lane: Lane, messages: Sequence[tuple[bytes, bytes]]) -> list[Place]:
        """Publish (key, value) pairs in a lane; where each stands, when all are acknowledged by all in-sync replicas.

        Raises Unavailable at once while Kafka is known to be away, and after the deadline: then any of the messages
        may or may not come to stand in the topic.
        """
        if not messages:
            # Kafka is not asked, so nothing is known of it afterwards.
            return []
        self.require_kafka()
        producer = self._producer
        assert producer is not None
        sent: list[asyncio.Future[Any]] = []
        try:
            async with asyncio.timeout(self._deadline_seconds):
                async with self._turn:
                    for key, value in messages:
                        sent.append(await producer.send(self._topics[lane], value, key))
                records = [await future for future in sent]
        except TimeoutError:
            self._failed(sent)
            detail = f"Kafka has not acknowledged within {self._deadline_seconds:g} s."
            raise Unavailable(detail, "kafka") from None
        except KafkaError as error:
            self._failed(sent)
            if not error.retriable and not isinstance(error, KafkaTimeoutError):
                self._broken.set()
            raise Unavailable(f"Kafka does not take documents: {error}.", "kafka") from error
        self._acknowledged_at = time.monotonic()
        return [Place(record.partition, record.offset) for record in records]

    async def run(self) -> None:
        """Keep connected to Kafka, for ever. Raises ConfigurationError where a topic does not exist."""
        while True:
            async with self._connected() as producer:
                await self._watch(producer)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AIOKafkaProducer]:
        limit = await until_available(self._message_limit, "looking for the topics", self._progress)
        producer = await until_available(partial(self._start_producer, limit), "Kafka", self._progress)
        self._max_message_bytes = limit - _ENVELOPE_BYTES
        self._broken.clear()
        self._producer = producer
        try:
            yield producer
        finally:
            self._producer = None
            self._note(answers=False)
            await _close(producer)

    async def _message_limit(self) -> int:
        return min([await max_message_bytes(self._settings, topic) for topic in self._topics.values()])

    async def _start_producer(self, max_message_bytes: int) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.require_kafka_bootstrap(),
            acks="all",
            linger_ms=_LINGER_MS,
            max_batch_size=min(_BATCH_BYTES, max_message_bytes),
            max_request_size=max_message_bytes,
            request_timeout_ms=round(self._deadline_seconds * 1000),
        )
        return await started(producer)

    async def _watch(self, producer: AIOKafkaProducer) -> None:
        """Ask Kafka every now and then. Returns when another producer is needed."""
        answered_at = asked_at = time.monotonic()
        while not self._broken.is_set() and asked_at - answered_at < _RENEW_SECONDS:
            asked_at = time.monotonic()
            # The question waits behind what is being published; an acknowledgement is an answer as well.
            has_leader = await self._has_leader(producer)
            self._note(answers=has_leader or self._acknowledged_at > asked_at)
            self._progress.moved()
            if self._answers:
                answered_at = asked_at
            with suppress(TimeoutError):
                await asyncio.wait_for(self._broken.wait(), _LOOK_SECONDS)

    async def _has_leader(self, producer: AIOKafkaProducer) -> bool:
        """Whether there is fresh metadata, with a leader for some partition of the live lane."""
        topic = self._topics[Lane.LIVE]
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                partitions = await producer.partitions_for(topic)
                updated = await producer.client.force_metadata_update()
        except (TimeoutError, KafkaError):
            return False
        cluster = producer.client.cluster
        leaders = [cluster.leader_for_partition(TopicPartition(topic, number)) for number in partitions]
        return updated and any(leader not in (None, -1) for leader in leaders)

    def _note(self, *, answers: bool) -> None:
        if answers != self._answers:
            _log.info("Kafka answers") if answers else _log.warning("Kafka does not answer")
            self._answers = answers

    def _failed(self, sent: Sequence["asyncio.Future[Any]"]) -> None:
        self._failed_at = time.monotonic()
        for future in sent:
            future.add_done_callback(_forget)


def _forget(future: "asyncio.Future[Any]") -> None:
    """Nobody waits for it any more; its error is not to be logged as never retrieved."""
    if not future.cancelled():
        future.exception()


async def _close(producer: AIOKafkaProducer) -> None:
    try:
        await asyncio.wait_for(producer.stop(), _CLOSE_SECONDS)
    except (TimeoutError, KafkaError):
        await producer.client.close()
