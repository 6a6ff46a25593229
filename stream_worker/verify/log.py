"""Kafka's side: committed offsets, what the broker still holds, and the messages themselves."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupLoadInProgressError, KafkaError

from stream_worker.errors import ConfigurationError, Unavailable

#: A broker that delivers nothing for so long, although it holds more, is away.
STALLED_SECONDS = 30.0
#: A broker that has just started finds its group coordinators only after a moment.
COORDINATOR_TRIES = 20

Offsets = dict[tuple[str, int], int]


class Log:
    """Reads without joining any group, so that the running workers notice nothing."""

    def __init__(self, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient) -> None:
        self._consumer = consumer
        self._admin = admin

    async def committed(self, group: str) -> Offsets:
        """The group's committed offsets, of every topic that there is."""
        everything = [TopicPartition(*partition) for partition in await self._every_partition()]
        for remaining in reversed(range(COORDINATOR_TRIES)):
            try:
                found = await self._admin.list_consumer_group_offsets(group, partitions=everything)
                if len(found) < len(everything):
                    # aiokafka passes over the error of the answer as a whole: the broker is still loading its groups.
                    raise GroupLoadInProgressError
                return {(tp.topic, tp.partition): known.offset for tp, known in found.items() if known.offset >= 0}
            except KafkaError as error:
                if not error.retriable or not remaining:
                    raise
                await asyncio.sleep(0.25)
        raise AssertionError("the last try returns or raises")

    async def partitions(self, topics: Iterable[str]) -> list[tuple[str, int]]:
        """All partitions of those topics that exist, in order."""
        wanted = set(topics)
        return sorted(partition for partition in await self._every_partition() if partition[0] in wanted)

    async def _every_partition(self) -> list[tuple[str, int]]:
        # Asked about all topics: asking about one that does not exist could make it.
        return [
            (topic["topic"], partition["partition"])
            for topic in await self._admin.describe_topics()
            for partition in topic["partitions"]
        ]

    async def earliest(self, partitions: Sequence[tuple[str, int]]) -> Offsets:
        """The first offset that the broker holds of each."""
        found = await self._consumer.beginning_offsets([TopicPartition(*p) for p in partitions])
        return {(tp.topic, tp.partition): offset for tp, offset in found.items()}

    async def ends(self, partitions: Sequence[tuple[str, int]]) -> Offsets:
        """The offset that the next message of each will get."""
        found = await self._consumer.end_offsets([TopicPartition(*p) for p in partitions])
        return {(tp.topic, tp.partition): offset for tp, offset in found.items()}

    async def messages(self, topic: str, partition: int, span: range) -> AsyncIterator[list[Any]]:
        """The messages whose offsets lie in `span`, a fetch at a time; `span` ends no later than the log.

        Offsets without a message (control records, compacted or deleted ones) are passed over.
        """
        where = TopicPartition(topic, partition)
        self._consumer.assign([where])
        self._consumer.seek(where, span.start)
        while (position := await self._consumer.position(where)) < span.stop:
            fetched = await self._fetch(where, position)
            inside = [message for message in fetched if message.offset < span.stop]
            if inside:
                yield inside

    async def _fetch(self, where: TopicPartition, position: int) -> list[Any]:
        """The next messages; none where the position moved over offsets without one."""
        async with asyncio.timeout(STALLED_SECONDS):
            while True:
                fetched = await self._consumer.getmany(where, timeout_ms=200)
                if fetched or await self._consumer.position(where) != position:
                    return list(fetched.get(where, ()))


@asynccontextmanager
async def open_log(bootstrap: str) -> AsyncIterator[Log]:
    """A connection to the brokers. Raises Unavailable where they are away, also later."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=100
    )
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await consumer.start()
        await admin.start()
        yield Log(consumer, admin)
    except (KafkaError, TimeoutError) as error:
        raise Unavailable(f"Kafka at {bootstrap} does not answer: {str(error) or type(error).__name__}.") from None
    finally:
        await admin.close()
        await consumer.stop()


def require_topic(topic: str, partitions: Sequence[tuple[str, int]]) -> None:
    """Raises ConfigurationError where the broker has no such topic."""
    if not any(name == topic for name, _ in partitions):
        raise ConfigurationError(f"Kafka has no topic {topic}: run `finsentry topics apply`.")
