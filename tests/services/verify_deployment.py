"""A small deployment as the services leave it, written by hand: rows by SQL, messages and offsets on a real broker.

It holds what a checker must not complain about: offsets that the broker deleted, control records and an aborted
transaction, receipts beyond the committed offset, messages not read yet, revisions that were replaced, moved to another
minute or withdrawn, a mention beyond what the model read, a shadow score, and stale windows with a pending mark.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from stream_worker.storage.engine import create_engine
from stream_worker.storage.migrate import upgrade

Probabilities = tuple[float, float, float]

NEGATIVE = (0.7, 0.2, 0.1)
POSITIVE = (0.1, 0.2, 0.7)
NEUTRAL = (0.1, 0.6, 0.3)
TIED = (0.4, 0.2, 0.4)

#: The first offset that partition 0 still holds, and what the group has committed of each partition.
EARLIEST = 2
COMMITTED = {0: 9, 1: 9}


def at(clock: str) -> datetime:
    """A time of the day on which all this happens."""
    return datetime.fromisoformat(f"2026-03-02T{clock}").replace(tzinfo=UTC)


def digest(message: bytes | None) -> bytes:
    """What a receipt holds of a message's bytes."""
    return blake2b(message or b"", digest_size=16).digest()


@dataclass(frozen=True)
class Revision:
    """A document revision with everything that was said of it: surface → (instrument, sentiment), scores by
    instrument."""

    document_id: str
    version: bytes
    published_at: datetime
    title: str | None = None
    body: str | None = None
    kind: str = "news"
    updated_at: datetime | None = None
    unscored: str | None = None
    mentions: Mapping[str, tuple[str | None, Probabilities | None]] = field(default_factory=dict)
    scores: Mapping[str, Probabilities] = field(default_factory=dict)

    @property
    def content_digest(self) -> bytes:
        """A digest of 16 bytes, in the order of `version`."""
        return self.version.ljust(16, b".")

    @property
    def raw(self) -> str:
        """What mentions count in."""
        return "\n".join(part for part in (self.title, self.body) if part is not None)


APPLE = Revision(
    "apple", b"1", at("10:00:10"), "🍏 Apple soars", "as Nokia cuts outlook, says Jane Doe",
    mentions={"Apple": ("AAPL", POSITIVE), "Nokia": ("NOKIA", NEGATIVE), "Jane Doe": (None, NEUTRAL)},
    scores={"": TIED, "AAPL": POSITIVE, "NOKIA": NEGATIVE},
)  # fmt: skip
COMMENT = Revision(
    "comment", b"1", at("10:00:30"), None, "$NOK to the moon", kind="comment",
    mentions={"$NOK": ("NOKIA", POSITIVE)}, scores={"": POSITIVE, "NOKIA": POSITIVE},
)  # fmt: skip
FINED = Revision(
    "fined", b"1", at("10:00:50"), "Apple fined",
    mentions={"Apple": ("AAPL", NEGATIVE)}, scores={"": NEGATIVE, "AAPL": NEGATIVE},
)  # fmt: skip
FINED_CORRECTED = Revision(
    "fined", b"0", at("10:05:00"), "Google fined", updated_at=at("11:00:00"),
    mentions={"Google": ("GOOG", NEGATIVE)}, scores={"": NEGATIVE, "GOOG": NEGATIVE},
)  # fmt: skip
FOREIGN = Revision("foreign", b"1", at("10:06:00"), "Apfel fällt", unscored="language")
WITHDRAWN = Revision("withdrawn", b"1", at("10:07:00"), "Rates cut", scores={"": POSITIVE})
WITHDRAWN_NOW = Revision(
    "withdrawn", b"2", at("10:07:00"), "Zinsen gesenkt", updated_at=at("10:30:00"), unscored="language"
)
LONG = Revision(
    "long", b"1", at("10:00:55"), "Markets", "quiet " * 50 + "Apple",
    mentions={"Apple": ("AAPL", None)}, scores={"": NEUTRAL},
)  # fmt: skip
PENDING = Revision("pending", b"1", at("10:08:00"), "Oil up", scores={"": POSITIVE})
PENDING_CORRECTED = Revision(
    "pending", b"2", at("10:09:00"), "Oil down", updated_at=at("10:40:00"), scores={"": NEGATIVE}
)
REVISIONS = (
    APPLE, COMMENT, FINED, FINED_CORRECTED, FOREIGN, WITHDRAWN, WITHDRAWN_NOW, LONG, PENDING, PENDING_CORRECTED,
)  # fmt: skip

#: instrument, kind, minute, documents, negative and positive ones, sums of polarity and of its square
WINDOWS = (
    ("", "news", at("10:00"), 2, 1, 0, 0.2, 0.04),
    ("AAPL", "news", at("10:00"), 1, 0, 1, 0.6, 0.36),
    ("NOKIA", "news", at("10:00"), 1, 1, 0, -0.6, 0.36),
    ("", "comment", at("10:00"), 1, 0, 1, 0.6, 0.36),
    ("NOKIA", "comment", at("10:00"), 1, 0, 1, 0.6, 0.36),
    ("", "news", at("10:05"), 1, 1, 0, -0.6, 0.36),
    ("GOOG", "news", at("10:05"), 1, 1, 0, -0.6, 0.36),
    # The monitor has not come to the correction that moved PENDING to another minute.
    ("", "news", at("10:08"), 1, 0, 1, 0.6, 0.36),
)


@dataclass(frozen=True)
class Said:
    """A message and its receipt: `revision` or `reason`, or neither for a message that nobody has read."""

    partition: int
    offset: int
    value: bytes | None
    outcome: str | None = None
    revision: Revision | None = None
    reason: str | None = None


SAID = (
    Said(0, 0, b"lost long ago"),
    Said(0, 1, b"apple", "accepted", APPLE),
    Said(0, 2, b"comment", "accepted", COMMENT),
    Said(0, 3, b"apple", "duplicate", APPLE),
    Said(0, 4, b"{not json", "dead_letter", reason="not_json"),
    Said(0, 5, None, "dead_letter", reason="empty"),
    Said(0, 6, b"fined", "accepted", FINED),
    Said(0, 7, b"fined, corrected", "accepted", FINED_CORRECTED),
    Said(0, 8, b"fined", "duplicate", FINED),
    Said(0, 9, b"pending, corrected", "accepted", PENDING_CORRECTED),
    Said(0, 10, b"not read yet"),
    Said(1, 0, b"foreign", "accepted", FOREIGN),
    Said(1, 1, b"withdrawn", "accepted", WITHDRAWN),
    # 2 is the record that ends a transaction; 3 was aborted, but whoever reads uncommitted messages reads it.
    Said(1, 3, b"withdrawn now", "accepted", WITHDRAWN_NOW),
    Said(1, 5, b"long", "accepted", LONG),
    Said(1, 6, b"pending", "accepted", PENDING),
    Said(1, 7, b"long", "duplicate", LONG),
)


async def write_rows(url: str, topic: str) -> None:
    """The database side."""
    engine = create_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=1)
    await upgrade(engine)
    await engine.dispose()
    connection = await asyncpg.connect(url)
    try:
        await _insert(connection, "model_versions", [(name, "{}", at("09:00")) for name in ("model/1", "model/2")])
        await _insert(connection, "documents", [_document(r) for r in REVISIONS])
        await _insert(connection, "mentions", [row for r in REVISIONS for row in _mentions(r)])
        await _insert(connection, "scores", [row for r in REVISIONS for row in _scores(r)])
        shadow = ("shadow", "apple", APPLE.content_digest, "", "shadow", *NEGATIVE, "model/2", "d1", "c1")
        await _insert(connection, "scores", [(*shadow, APPLE.published_at, at("12:00"))])
        await _insert(connection, "windows", [(*row, at("12:00")) for row in WINDOWS])
        await _insert(connection, "receipts", [_receipt(topic, said) for said in SAID if said.outcome])
        await _insert(
            connection,
            "dead_letters",
            [
                (topic, said.partition, said.offset, said.reason, "detail", None, said.value, at("12:00"))
                for said in SAID
                if said.reason
            ],
        )
        await connection.execute("INSERT INTO dirty_marks (document_id) VALUES ('pending'), ('pending')")
    finally:
        await connection.close()


async def write_log(bootstrap: str, topic: str, group: str) -> None:
    """The broker's side."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 2, 1)])
        await _produce(bootstrap, topic)
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=EARLIEST)})
    finally:
        await admin.close()
    await commit(bootstrap, group, {TopicPartition(topic, p): offset for p, offset in COMMITTED.items()})


async def commit(bootstrap: str, group: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Commit offsets as a group without members."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(list(offsets))
        await consumer.commit(dict(offsets))
    finally:
        await consumer.stop()


async def _produce(bootstrap: str, topic: str) -> None:
    """Every message lands at the offset that `SAID` names."""
    values = {(said.partition, said.offset): said.value for said in SAID}
    async with AsyncExitStack() as stack:
        plain = AIOKafkaProducer(bootstrap_servers=bootstrap)
        transactional = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"{topic}.transactions")
        ends = AIOKafkaConsumer(bootstrap_servers=bootstrap)
        for client in (plain, transactional, ends):
            await client.start()
            stack.push_async_callback(client.stop)

        async def log_reaches(partition: int, offset: int) -> None:
            # The record that ends a transaction is written some time after the client was told that it ended.
            where = TopicPartition(topic, partition)
            async with asyncio.timeout(10):
                while (await ends.end_offsets([where]))[where] < offset:
                    await asyncio.sleep(0.02)

        async def send(producer: AIOKafkaProducer, partition: int, offset: int) -> None:
            await log_reaches(partition, offset)
            sent = await producer.send_and_wait(topic, values[partition, offset], key=b"key", partition=partition)
            assert sent.offset == offset, f"partition {partition}: {sent.offset} instead of {offset}"

        for offset in range(11):
            await send(plain, 0, offset)
        async with transactional.transaction():
            await send(transactional, 1, 0)
            await send(transactional, 1, 1)
        await transactional.begin_transaction()
        await send(transactional, 1, 3)
        await transactional.abort_transaction()
        await send(plain, 1, 5)
        await send(plain, 1, 6)
        async with transactional.transaction():
            await send(transactional, 1, 7)
        await log_reaches(1, COMMITTED[1])


async def _insert(connection: Any, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    await connection.copy_records_to_table(table, records=rows, columns=_COLUMNS[table])


_COLUMNS = {
    "model_versions": ("model_version", "manifests", "first_seen_at"),
    "documents": (
        "document_id", "content_digest", "source", "kind", "title", "body", "published_at", "updated_at",
        "received_at", "unscored_reason",
    ),
    "mentions": (
        "document_id", "content_digest", "span_start", "span_end", "surface", "instrument_id", "directory_version",
        "negative", "neutral", "positive",
    ),
    "scores": (
        "score_id", "document_id", "content_digest", "instrument_id", "role", "negative", "neutral", "positive",
        "model_version", "directory_version", "code_version", "published_at", "scored_at",
    ),
    "windows": (
        "instrument_id", "kind", "minute", "documents", "negative_documents", "positive_documents", "polarity_sum",
        "polarity_square_sum", "computed_at",
    ),
    "receipts": (
        "topic", "partition", "kafka_offset", "message_digest", "outcome", "document_id", "content_digest", "reason",
        "batch_id", "received_at",
    ),
    "dead_letters": (
        "topic", "partition", "kafka_offset", "reason", "detail", "message_key", "payload", "received_at",
    ),
}  # fmt: skip


def _document(r: Revision) -> tuple[Any, ...]:
    times = r.published_at, r.updated_at, at("12:00")
    return (r.document_id, r.content_digest, "test", r.kind, r.title, r.body, *times, r.unscored)


def _mentions(r: Revision) -> list[tuple[Any, ...]]:
    return [
        (
            *(r.document_id, r.content_digest, r.raw.index(surface), r.raw.index(surface) + len(surface), surface),
            *(instrument, "d1", *(sentiment or (None, None, None))),
        )
        for surface, (instrument, sentiment) in r.mentions.items()
    ]


def _scores(r: Revision) -> list[tuple[Any, ...]]:
    return [
        (
            *(f"{r.document_id}/{r.version.decode()}/{instrument}", r.document_id, r.content_digest, instrument),
            *("champion", *sentiment, "model/1", "d1", "c1", r.published_at, at("12:00")),
        )
        for instrument, sentiment in r.scores.items()
    ]


def _receipt(topic: str, said: Said) -> tuple[Any, ...]:
    revision = (said.revision.document_id, said.revision.content_digest) if said.revision else (None, None)
    where = topic, said.partition, said.offset
    return (*where, digest(said.value), said.outcome, *revision, said.reason, "batch", at("12:00"))
