"""The whole service, from Kafka to the committed row: how fast, at what cost, how soon, and how big it grows."""

import asyncio
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from bench.deployment import Deployment
from bench.processor_time import ProcessorSeconds, processor_seconds
from stream_worker.settings import TopicName

_SAMPLE_SECONDS = 1.0
#: Published and scored before anything is timed: connections are made and code is compiled by then.
_WARM_UP_DOCUMENTS = 200


@dataclass(frozen=True, slots=True)
class Throughput:
    """Documents a second by the clock, and CPU seconds of everyone for that many documents."""

    documents: int
    per_second: float
    cpu: ProcessorSeconds

    @property
    def per_worker_core(self) -> float:
        """Documents for each CPU second of the worker."""
        return self.documents / self.cpu.worker


async def throughput(deployment: Deployment, lines: Iterable[bytes], of: TopicName = "documents") -> Throughput:
    """A backlog of lines, counted from the first committed batch to the last."""
    count = await deployment.publish(lines, of)
    deployment.start_worker()
    began = await deployment.until_receipts(1, of)
    before = processor_seconds(deployment)
    ended = await deployment.until_receipts(count, of)
    cpu = processor_seconds(deployment).since(before)
    seconds = ended.last_at - began.first_at
    return Throughput(count - began.receipts, (count - ended.first_batch) / seconds, cpu)


@dataclass(frozen=True, slots=True)
class Latency:
    """From just before a message is handed to the Kafka client until Postgres has committed its rows, in seconds."""

    per_second: float
    documents: int
    p50: float
    p99: float
    longest: float


async def latency(deployment: Deployment, lines: Sequence[bytes], per_second: float) -> Latency:
    """The lines at an even rate, to a worker of their own."""
    deployment.start_worker()
    await deployment.publish(lines[:_WARM_UP_DOCUMENTS])
    await deployment.until_receipts(_WARM_UP_DOCUMENTS)
    published_at = await _publish_evenly(deployment, lines[_WARM_UP_DOCUMENTS:], per_second)
    await deployment.until_receipts(len(lines))
    rows = await deployment.connection.fetch(
        "SELECT partition, kafka_offset, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM receipts"
        " WHERE topic = $1",
        deployment.settings.topic("documents"),
    )
    waits = [
        committed_at - published_at[partition, offset]
        for partition, offset, committed_at in rows
        if (partition, offset) in published_at
    ]
    hundredths = statistics.quantiles(waits, n=100)
    return Latency(per_second, len(waits), hundredths[49], hundredths[98], max(waits))


async def _publish_evenly(
    deployment: Deployment, lines: Sequence[bytes], per_second: float
) -> dict[tuple[int, int], float]:
    """When the message at each (partition, offset) was handed over."""
    bootstrap = deployment.settings.require_kafka_bootstrap()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    sent: list[tuple[float, asyncio.Future[RecordMetadata]]] = []
    try:
        await producer.partitions_for(deployment.settings.topic("documents"))
        began = time.perf_counter()
        for number, line in enumerate(lines):
            await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
            sent.append((time.time(), await producer.send(deployment.settings.topic("documents"), line)))
        records = await asyncio.gather(*(future for _, future in sent))
    finally:
        await producer.stop()
    return {(record.partition, record.offset): at for record, (at, _) in zip(records, sent, strict=True)}


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident bytes of the worker at the end of two equally long streams (medians of ten seconds), and the most."""

    documents: int
    after_first: int
    after_second: int
    most: int

    @property
    def growth(self) -> float:
        """Over the second stream, as a share."""
        return self.after_second / self.after_first - 1


async def throughput_and_memory(deployment: Deployment, lines: Sequence[bytes]) -> tuple[Throughput, Memory]:
    """Two halves one after the other through the same worker; the throughput is that of the first half."""
    half = len(lines) // 2
    sizes: list[int] = []
    sampling = asyncio.ensure_future(_sample(deployment, sizes))
    try:
        measured = await throughput(deployment, lines[:half])
        first = await _settled(sizes)
        await deployment.publish(lines[half : 2 * half])
        await deployment.until_receipts(2 * half)
        second = await _settled(sizes)
    finally:
        sampling.cancel()
    return measured, Memory(half, first, second, max(sizes))


async def _sample(deployment: Deployment, sizes: list[int]) -> None:
    while True:
        if deployment.is_started:
            sizes.append(deployment.worker.memory_info().rss)
        await asyncio.sleep(_SAMPLE_SECONDS)


async def _settled(sizes: list[int]) -> int:
    await asyncio.sleep(10 * _SAMPLE_SECONDS)
    return round(statistics.median(sizes[-10:]))
