"""Sends messages to the documents topic, and sees what comes out on the topic of scores."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from stream_worker.doctor.traces import Place
from stream_worker.ingest.publisher import started
from stream_worker.ingest.topics import require_topics
from stream_worker.settings import Settings


class Ends:
    """Both ends of the way. The far one is watched from the moment on when it was opened."""

    def __init__(self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer, topic: str) -> None:
        self._producer = producer
        self._consumer = consumer
        self._topic = topic
        self._seen: set[str] = set()

    async def send(self, message: bytes, key: str) -> Place:
        """Returns where the broker has it. Messages with one key keep their order."""
        record = await self._producer.send_and_wait(self._topic, message, key=key.encode())
        return Place(record.topic, record.partition, record.offset)

    async def has_published(self, document_id: str) -> bool:
        """Whether a score of the document has come out, as far as can be seen now."""
        fetched = await self._consumer.getmany(timeout_ms=100)
        values = (orjson.loads(record.value) for records in fetched.values() for record in records)
        self._seen |= {value["document_id"] for value in values if "score_id" in value}
        return document_id in self._seen


@asynccontextmanager
async def open_ends(settings: Settings) -> AsyncIterator[Ends]:
    """Raises Unavailable or KafkaError where Kafka does not answer, ConfigurationError where a topic is missing."""
    bootstrap = settings.require_kafka_bootstrap()
    await require_topics(settings)
    async with AsyncExitStack() as stack:
        producer = await started(AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all"))
        stack.push_async_callback(producer.stop)
        # Without a group, it is assigned all partitions.
        consumer = AIOKafkaConsumer(settings.topic("scores"), bootstrap_servers=bootstrap, enable_auto_commit=False)
        stack.push_async_callback(consumer.stop)
        await consumer.start()
        # Where it stands now, and not wherever it is first asked.
        for partition, end in (await consumer.end_offsets(consumer.assignment())).items():
            consumer.seek(partition, end)
        yield Ends(producer, consumer, settings.topic("documents"))
