"""How far consumer groups have read: what Kafka holds, what they have committed, and who reads."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    IncompatibleBrokerVersion,
    KafkaError,
    NotCoordinatorForGroupError,
)

from stream_worker.domain.lanes import Lane
from stream_worker.errors import Unavailable
from stream_worker.settings import Settings

T = TypeVar("T")

#: A broker that has just started knows its groups only after a moment.
_NOT_YET = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)
_COORDINATOR_TRIES = 20
_COORDINATOR_SECONDS = 0.1
_REQUEST_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class PartitionBacklog:
    """One partition of a topic, as a group has read it. `committed` is None where the group has committed nothing."""

    topic: str
    partition: int
    earliest: int
    committed: int | None
    end: int

    @property
    def lag(self) -> int:
        """Messages that Kafka still holds and the group has not committed."""
        return max(0, self.end - max(self.earliest, self.committed or 0))


def read_by_workers(settings: Settings) -> Mapping[Lane, tuple[str, str]]:
    """What the workers read: the topic and the group of each lane."""
    return {
        Lane.LIVE: (settings.topic("documents"), settings.consumer_group),
        Lane.BACKFILL: (settings.topic("documents-backfill"), settings.backfill_consumer_group),
    }


class BacklogReader:
    """Asks Kafka without joining any group. An asynchronous context manager, for one event loop.

    Connects at the first question, and anew after one that failed. Every method raises Unavailable where Kafka does not
    answer; how long to wait for that is the caller's affair (`asyncio.timeout`).
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer: AIOKafkaConsumer | None = None
        self._admin: AIOKafkaAdminClient | None = None
        self._asking = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._disconnect()

    async def partitions(self, topic: str, group: str) -> list[PartitionBacklog]:
        """Every partition of the topic, in order; none where there is no such topic."""

        async def ask(consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient) -> list[PartitionBacklog]:
            described = await admin.describe_topics([topic])
            numbers = sorted(partition["partition"] for found in described for partition in found["partitions"])
            partitions = [TopicPartition(topic, number) for number in numbers]
            if not partitions:
                return []
            committed = await admin.list_consumer_group_offsets(group, partitions=partitions)
            if len(committed) < len(partitions):
                # aiokafka passes over the error of the answer as a whole: the broker is still loading its groups.
                raise GroupLoadInProgressError
            earliest = await consumer.beginning_offsets(partitions)
            end = await consumer.end_offsets(partitions)
            return [
                PartitionBacklog(topic, tp.partition, earliest[tp], _offset(committed[tp].offset), end[tp])
                for tp in partitions
            ]

        return await self._ask(ask)

    async def members(self, group: str) -> int | None:
        """How many consumers are in the group; one that has died counts until its session is over. None where the
        broker (librdkafka's mock) cannot be asked."""

        async def ask(_: AIOKafkaConsumer, admin: AIOKafkaAdminClient) -> int | None:
            try:
                responses = await admin.describe_consumer_groups([group])
            except IncompatibleBrokerVersion:
                return None
            return sum(len(described[5]) for response in responses for described in response.groups)

        return await self._ask(ask)

    async def _ask(self, question: Callable[[AIOKafkaConsumer, AIOKafkaAdminClient], Awaitable[T]]) -> T:
        async with self._asking:
            try:
                consumer, admin = await self._connected()
                return await _with_coordinator(lambda: question(consumer, admin))
            except KafkaError as error:
                await self._disconnect()
                raise Unavailable(f"Kafka at {self._bootstrap} does not answer: {error}.", "kafka") from error
            except BaseException:
                # Somebody has lost patience; what comes back later must not be taken for the next answer.
                await self._disconnect()
                raise

    async def _connected(self) -> tuple[AIOKafkaConsumer, AIOKafkaAdminClient]:
        if self._consumer is None or self._admin is None:
            milliseconds = int(_REQUEST_SECONDS * 1000)
            self._consumer = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap, enable_auto_commit=False, request_timeout_ms=milliseconds
            )
            self._admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap, request_timeout_ms=milliseconds)
            await self._consumer.start()
            await self._admin.start()
        return self._consumer, self._admin

    async def _disconnect(self) -> None:
        consumer, admin = self._consumer, self._admin
        self._consumer = self._admin = None
        if consumer is not None:
            await consumer.stop()
        if admin is not None:
            await admin.close()


async def _with_coordinator(question: Callable[[], Awaitable[T]]) -> T:
    for remaining in reversed(range(_COORDINATOR_TRIES)):
        try:
            return await question()
        except _NOT_YET:
            if not remaining:
                raise
        await asyncio.sleep(_COORDINATOR_SECONDS)
    raise AssertionError("the last try returns or raises")


def _offset(committed: int) -> int | None:
    return committed if committed >= 0 else None
