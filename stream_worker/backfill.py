"""The backfill lane: history is pulled from its topic and scored while live documents leave room.

A plain client pulls it, not a second Faust agent: Faust hands the messages of all topics on in one loop, and one stream
that does not take its messages stops that loop for all others. What is not pulled waits in Kafka.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, KafkaError

from stream_worker.domain.lanes import Lane
from stream_worker.pipelines.batch import Message, cut
from stream_worker.pipelines.batch_chain import BatchChain
from stream_worker.pipelines.positions import Positions
from stream_worker.pipelines.scoring import ScoringPipeline
from stream_worker.retry import until_available
from stream_worker.settings import Settings

#: Small, so that preparing and writing a batch keeps live documents waiting for a few milliseconds.
BATCH_DOCUMENTS = 64
BATCHES_IN_FLIGHT = 2
POLL_SECONDS = 0.5
COMMIT_SECONDS = 5.0
CLOSE_SECONDS = 5.0
#: The client leaves its group where nothing is pulled for so long; live documents may keep history waiting for weeks.
LONGEST_PAUSE_MS = 2**31 - 1

_log = structlog.get_logger(__name__)


class BackfillLane(ConsumerRebalanceListener):  # type: ignore[misc]
    """Pulls, scores and commits until cancelled. For one event loop.

    `drain_seconds` says how long a stop or rebalance may wait for batches under way; what is abandoned is read again.
    """

    def __init__(self, settings: Settings, pipeline: ScoringPipeline, drain_seconds: Callable[[], float]) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._drain_seconds = drain_seconds
        self._positions = Positions()
        self._committed: dict[TopicPartition, int] = {}
        self._batches = BatchChain(pipeline, self._positions.acknowledge, self._fail, lane=Lane.BACKFILL)
        self._failure: BaseException | None = None
        #: Batches that were read and not begun.
        self._waiting: deque[list[Message]] = deque()
        self._consumer: AIOKafkaConsumer
        #: The partitions that this lane reads, or read last; None before it has joined its group.
        self.assigned: frozenset[tuple[str, int]] | None = None

    async def run(self) -> None:
        """Raises what the pipeline could not cure, with nothing of the failed batch acknowledged, and KafkaError where
        Kafka refuses for good."""
        await until_available(self._start_consumer, "Kafka")
        try:
            while self._failure is None:
                if await self._batches.fewer_than(BATCHES_IN_FLIGHT, POLL_SECONDS):
                    if not self._waiting:
                        await until_available(self._pull, "reading history")
                    if self._waiting:
                        self._batches.start(self._waiting.popleft())
                await self._commit()
        finally:
            await self._batches.drain(self._drain_seconds())
            with suppress(KafkaError, TimeoutError):
                await self._commit()
            # Whatever became of that: a member that stays keeps its partitions from all others.
            with suppress(KafkaError, TimeoutError):
                await asyncio.wait_for(self._consumer.stop(), CLOSE_SECONDS)
        raise self._failure

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Finish or abandon what was begun, and forget what was not."""
        self._waiting.clear()
        await self._batches.drain(self._drain_seconds())
        await self._commit()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Reading begins anew at the committed offsets."""
        self.assigned = frozenset((partition.topic, partition.partition) for partition in assigned)
        self._waiting.clear()
        self._positions.reset()
        self._committed.clear()
        self._pipeline.partitions_assigned()

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error

    async def _start_consumer(self) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.require_kafka_bootstrap(),
            group_id=self._settings.backfill_consumer_group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_interval_ms=LONGEST_PAUSE_MS,
        )
        self._consumer.subscribe([self._settings.topic("documents-backfill")], listener=self)
        try:
            await self._consumer.start()
        except BaseException:
            await self._consumer.stop()
            raise

    async def _pull(self) -> None:
        """Read what there is; come back with nothing after a while."""
        fetched: dict[TopicPartition, list[Any]] = await self._consumer.getmany(
            timeout_ms=int(POLL_SECONDS * 1000), max_records=BATCH_DOCUMENTS
        )
        messages = [
            Message(record.topic, record.partition, record.offset, record.key, record.value, record.timestamp / 1000)
            for records in fetched.values()
            for record in records
        ]
        self._waiting.extend(cut(messages, self._settings.batch_bytes))

    async def _commit(self) -> None:
        """Commit what was acknowledged since the last time. Where that fails, it is read again, and known then."""
        due = {
            partition: offset
            for partition in self._consumer.assignment()
            if (offset := self._positions.committable(partition.topic, partition.partition)) is not None
            and offset != self._committed.get(partition)
        }
        if not due:
            return
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._consumer.commit(due)
        except (KafkaError, TimeoutError) as error:
            if isinstance(error, KafkaError) and not error.retriable and not isinstance(error, CommitFailedError):
                raise
            _log.info("not committed", error=str(error) or type(error).__name__)
        else:
            self._committed |= due
