"""What has happened lately, for people who look after it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from stream_worker.storage.pending import Pending, pending

#: Over which a rate is taken.
RATE_SECONDS = 60

_RATES = text("""
    SELECT lane, count(*) / CAST(:seconds AS float) AS per_second FROM documents
    WHERE received_at > now() - make_interval(secs => :seconds) GROUP BY lane
""")
#: Of the newest documents only: each costs a look at its receipt.
_LATENCIES = text("""
    SELECT d.lane,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY r.latency_seconds) AS p50_seconds,
        percentile_cont(0.99) WITHIN GROUP (ORDER BY r.latency_seconds) AS p99_seconds
    FROM (
        SELECT document_id, content_digest, lane FROM documents
        WHERE received_at > now() - interval '5 minutes' ORDER BY received_at DESC LIMIT 5000
    ) d
    JOIN receipts r USING (document_id, content_digest)
    WHERE r.outcome = 'accepted' AND r.latency_seconds IS NOT NULL GROUP BY d.lane
""")
#: `dead_letters` and `documents` have an index on `received_at`.
_DEAD_LETTERS = text("""
    SELECT reason, count(*) AS messages FROM dead_letters
    WHERE received_at > now() - interval '1 hour' GROUP BY reason ORDER BY messages DESC, reason
""")
_UNSCORED = text("""
    SELECT unscored_reason AS reason, count(*) AS documents FROM documents
    WHERE received_at > now() - interval '1 hour' AND unscored_reason IS NOT NULL
    GROUP BY reason ORDER BY documents DESC, reason
""")
_NEWEST = text("""
    SELECT max(published_at) AS published_at, max(received_at) AS received_at, clock_timestamp() AS now FROM documents
""")
#: The last receipt of each partition, by the primary key alone; it says that a worker gets on, whatever it reads.
_NEWEST_RECEIPT = text("""
    WITH RECURSIVE partitions AS (
        SELECT min(partition) AS partition FROM receipts WHERE topic = :topic
        UNION ALL
        SELECT (SELECT min(r.partition) FROM receipts r WHERE r.topic = :topic AND r.partition > p.partition)
        FROM partitions p WHERE p.partition IS NOT NULL
    )
    SELECT max(newest.received_at) FROM partitions p, LATERAL (
        SELECT received_at FROM receipts r WHERE r.topic = :topic AND r.partition = p.partition
        ORDER BY r.kafka_offset DESC LIMIT 1
    ) newest
""")
_MODEL = text("""
    SELECT s.model_version
    FROM (SELECT * FROM documents ORDER BY received_at DESC LIMIT 100) d
    JOIN scores s USING (document_id, content_digest)
    WHERE s.role = 'champion' ORDER BY d.received_at DESC LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class Latency:
    """From Kafka to Postgres, of half of the documents and of 99 in 100."""

    p50_seconds: float
    p99_seconds: float


@dataclass(frozen=True, slots=True)
class Activity:
    """Times are the database's. `per_second` is of documents stored in the last minute, `latencies` of five, by
    lane; `dead_letters` and `unscored` are of the last hour, by reason, the most frequent first; `model_version` scored
    the newest document."""

    now: datetime
    per_second: Mapping[str, float]
    latencies: Mapping[str, Latency]
    dead_letters: Mapping[str, int]
    unscored: Mapping[str, int]
    newest_published_at: datetime | None
    newest_received_at: datetime | None
    newest_live_receipt_at: datetime | None
    model_version: str | None
    pending: Pending


async def lately(connection: AsyncConnection, live_topic: str) -> Activity:
    """As it is at this moment, from indexes alone."""
    newest = (await connection.execute(_NEWEST)).one()
    rates = await connection.execute(_RATES, {"seconds": RATE_SECONDS})
    latencies = await connection.execute(_LATENCIES)
    dead_letters = await connection.execute(_DEAD_LETTERS)
    unscored = await connection.execute(_UNSCORED)
    return Activity(
        now=newest.now,
        per_second={row.lane: row.per_second for row in rates},
        latencies={row.lane: Latency(row.p50_seconds, row.p99_seconds) for row in latencies},
        dead_letters={row.reason: row.messages for row in dead_letters},
        unscored={row.reason: row.documents for row in unscored},
        newest_published_at=newest.published_at,
        newest_received_at=newest.received_at,
        newest_live_receipt_at=await connection.scalar(_NEWEST_RECEIPT, {"topic": live_topic}),
        model_version=await connection.scalar(_MODEL),
        pending=await pending(connection),
    )
