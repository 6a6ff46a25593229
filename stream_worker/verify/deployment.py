"""A deployment held still: one snapshot of Postgres, and Kafka's offsets around it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stream_worker.settings import Settings
from stream_worker.verify.log import Log, open_log, require_topic
from stream_worker.verify.report import Partition
from stream_worker.verify.snapshot import Snapshot, open_snapshot


@dataclass(frozen=True, slots=True)
class Deployment:
    """What every check reads."""

    snapshot: Snapshot
    log: Log
    partitions: Sequence[Partition]
    live_topic: str
    backfill_topic: str


@asynccontextmanager
async def open_deployment(settings: Settings) -> AsyncIterator[Deployment]:
    """Open both sides in the order that makes them comparable. Raises Unavailable and ConfigurationError.

    Offsets are committed after receipts: what was committed before the snapshot has its receipts in it. The logs' ends
    are read after the snapshot: what it holds was below them.
    """
    url = settings.require_database_url().replace("postgresql+asyncpg://", "postgresql://", 1)
    live_topic, backfill_topic = settings.topic("documents"), settings.topic("documents-backfill")
    async with open_log(settings.require_kafka_bootstrap()) as log:
        committed = {
            **await log.committed(settings.consumer_group),
            **await log.committed(settings.backfill_consumer_group),
        }
        partitions = await log.partitions({live_topic, backfill_topic, *(topic for topic, _ in committed)})
        for topic in (live_topic, backfill_topic):
            require_topic(topic, partitions)
        earliest = await log.earliest(partitions)
        async with open_snapshot(url) as snapshot:
            ends = await log.ends(partitions)
            known = [Partition(*p, earliest[p], committed.get(p), ends[p]) for p in partitions]
            yield Deployment(snapshot, log, known, live_topic, backfill_topic)
