"""`verify_deployment` on real servers: rows by SQL, messages and committed offsets on a broker."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from hashlib import blake2b
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from stream_worker.storage.engine import create_engine
from stream_worker.storage.migrate import upgrade
from tests.services.verify_deployment import (
    APPLE,
    COMMITTED,
    COMMITTED_HISTORY,
    EARLIEST,
    NEGATIVE,
    REVISIONS,
    SAID,
    SAID_BY_HISTORY,
    WINDOWS,
    Revision,
    Said,
    at,
)


def digest(message: bytes | None) -> bytes:
    """What a receipt holds of a message's bytes."""
    return blake2b(message or b"", digest_size=16).digest()


async def write_rows(url: str, topic: str, history: str) -> None:
    """The database side."""
    said_on = [(topic, said) for said in SAID] + [(history, said) for said in SAID_BY_HISTORY]
    engine = create_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=1)
    await upgrade(engine)
    await engine.dispose()
    connection = await asyncpg.connect(url)
    try:
        await _insert(connection, "model_versions", [(name, "{}", at("09:00")) for name in ("model/1", "model/2")])
        await _insert(connection, "documents", [_document(r) for r in REVISIONS])
        await _insert(connection, "mentions", [row for r in REVISIONS for row in _mentions(r)])
        await _insert(connection, "scores", [row for r in REVISIONS for row in _scores(r)])
        shadow = ("shadow", "apple", APPLE.content_digest, "", "shadow", None, *NEGATIVE, "model/2", "d1", "c1")
        await _insert(connection, "scores", [(*shadow, APPLE.published_at, at("12:00"))])
        await _insert(connection, "windows", [(*row, at("12:00")) for row in WINDOWS])
        await _insert(connection, "receipts", [_receipt(on, said) for on, said in said_on if said.outcome])
        await _insert(
            connection,
            "dead_letters",
            [
                (on, said.partition, said.offset, said.reason, "detail", None, said.value, at("12:00"))
                for on, said in said_on
                if said.reason
            ],
        )
        await connection.execute("INSERT INTO dirty_marks (document_id) VALUES ('pending'), ('pending')")
    finally:
        await connection.close()


async def write_log(bootstrap: str, topic: str, group: str) -> None:
    """The broker's side of the documents topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 2, 1)])
        await _produce(bootstrap, topic)
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=EARLIEST)})
    finally:
        await admin.close()
    await commit(bootstrap, group, {TopicPartition(topic, p): offset for p, offset in COMMITTED.items()})


async def write_history_log(bootstrap: str, topic: str, group: str) -> None:
    """The broker's side of the backfill topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await admin.start()
    await producer.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
        for said in SAID_BY_HISTORY:
            await producer.send_and_wait(topic, said.value)
    finally:
        await producer.stop()
        await admin.close()
    await commit(bootstrap, group, {TopicPartition(topic, 0): COMMITTED_HISTORY})


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
        "relevance", "negative", "neutral", "positive",
    ),
    "scores": (
        "score_id", "document_id", "content_digest", "instrument_id", "role", "relevance", "negative", "neutral",
        "positive", "model_version", "directory_version", "code_version", "published_at", "scored_at",
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
            *(instrument, "d1", 0.5, *(sentiment or (None, None, None))),
        )
        for surface, (instrument, sentiment) in r.mentions.items()
    ]


def _scores(r: Revision) -> list[tuple[Any, ...]]:
    return [
        (
            *(f"{r.document_id}/{r.version.decode()}/{instrument}", r.document_id, r.content_digest, instrument),
            *("champion", 0.5 if instrument else None, *sentiment, "model/1", "d1", "c1", r.published_at, at("12:00")),
        )
        for instrument, sentiment in r.scores.items()
    ]


def _receipt(topic: str, said: Said) -> tuple[Any, ...]:
    revision = (said.revision.document_id, said.revision.content_digest) if said.revision else (None, None)
    where = topic, said.partition, said.offset
    return (*where, digest(said.value), said.outcome, *revision, said.reason, "batch", at("12:00"))
