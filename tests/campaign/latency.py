"""How long each message took from its topic to Postgres: the broker's time of append against the receipt's time."""

from collections import defaultdict
from dataclasses import dataclass
from statistics import quantiles

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds from published to committed, over all messages of a topic."""

    messages: int
    p50: float
    p90: float
    p99: float
    longest: float


async def latencies(bootstrap: str, database_url: str) -> dict[str, Latencies]:
    """By topic. Both clocks are this machine's."""
    connection = await asyncpg.connect(database_url)
    committed: dict[TopicPartition, dict[int, float]] = defaultdict(dict)
    for row in await connection.fetch("SELECT topic, partition, kafka_offset, received_at FROM receipts"):
        committed[TopicPartition(row[0], row[1])][row[2]] = row[3].timestamp()
    await connection.close()
    seconds: dict[str, list[float]] = defaultdict(list)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        consumer.assign(list(committed))
        ends = await consumer.end_offsets(list(committed))
        await consumer.seek_to_beginning(*committed)
        while any([await consumer.position(partition) < ends[partition] for partition in committed]):
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                seconds[partition.topic] += [
                    committed[partition][record.offset] - record.timestamp / 1000
                    for record in records
                    if record.offset in committed[partition]
                ]
    finally:
        await consumer.stop()
    return {topic: _summary(found) for topic, found in seconds.items()}


def _summary(seconds: list[float]) -> Latencies:
    cuts = quantiles(seconds, n=100)
    return Latencies(len(seconds), cuts[49], cuts[89], cuts[98], max(seconds))
