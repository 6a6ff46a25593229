"""What a scoring batch reads from and writes to Postgres. Many rows a statement; keys in order, so that two workers
that meet on the same rows wait for each other instead of dead-locking."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from stream_worker.domain.documents import Retraction, Revision
from stream_worker.domain.scores import Score
from stream_worker.domain.sentiment import Sentiment
from stream_worker.storage import bulk, schema

#: Topic, partition and offset of a Kafka message.
Position = tuple[str, int, int]

_POSITION = ("topic", "partition", "kafka_offset")
_REVISION = ("document_id", "content_digest")
_DOCUMENT = (
    *(*_REVISION, "is_retraction"),
    *("source", "source_id", "kind", "url", "title", "body", "author", "language"),
    *("published_at", "updated_at", "received_at", "unscored_reason", "truncated", "lane"),
)
_MENTION = (
    *_REVISION,
    *("span_start", "span_end", "surface", "entity_type", "instrument_id", "matched_by", "directory_version"),
    *("relevance", "negative", "neutral", "positive"),
)
_SCORE = (
    *("score_id", *_REVISION, "instrument_id", "relevance", "negative", "neutral", "positive"),
    *("model_version", "directory_version", "code_version", "published_at", "scored_at"),
)
_RECEIPT = (*_POSITION, "message_digest", "outcome", *_REVISION, "reason", "batch_id", "received_at", "latency_seconds")
_RECEIPT_READ = (*_POSITION, "message_digest", "outcome", *_REVISION)
_DEAD_LETTER = (*_POSITION, "reason", "detail", "message_key", "payload", "received_at", "erased_at")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message."""

    message_digest: bytes
    outcome: str
    revision: Revision | None


async def receipts_at(connection: AsyncConnection, positions: Sequence[Position]) -> dict[Position, Receipt]:
    """The receipts that some of these messages have already."""
    rows = await _select(connection, schema.receipts, _POSITION, _RECEIPT_READ, positions)
    return {
        (topic, partition, offset): Receipt(digest, outcome, (document_id, content) if document_id else None)
        for topic, partition, offset, digest, outcome, document_id, content in rows
    }


async def known_revisions(connection: AsyncConnection, revisions: Iterable[Revision]) -> set[Revision]:
    """Those of the revisions that are stored."""
    rows = await _select(connection, schema.documents, _REVISION, _REVISION, list(revisions))
    return {(document_id, content) for document_id, content in rows}


async def insert_revisions(connection: AsyncConnection, rows: Sequence[bulk.Row]) -> set[Revision]:
    """Insert rows in the order of `_DOCUMENT` and mark their documents; returns the revisions inserted.

    A revision that another transaction is inserting is waited for, then left alone.
    """
    ordered = sorted(rows, key=lambda row: (row[0], row[1]))
    inserted = await _insert(connection, schema.documents, _DOCUMENT, ordered, returning=_REVISION)
    revisions = {(document_id, content) for document_id, content in inserted}
    await _insert(connection, schema.dirty_marks, ("document_id",), [(document_id,) for document_id, _ in revisions])
    return revisions


async def erased_documents(connection: AsyncConnection, document_ids: Sequence[str]) -> set[str]:
    """Those of the documents whose text was erased, and must not be stored again."""
    keys = [(document_id,) for document_id in document_ids]
    rows = await _select(connection, schema.erasures, ("document_id",), ("document_id",), keys)
    return {document_id for (document_id,) in rows}


async def insert_mentions(connection: AsyncConnection, rows: Sequence[bulk.Row]) -> None:
    """Rows in the order of `_MENTION`: revision, span, surface, type, instrument, matched by, directory, relevance and
    sentiment."""
    await _insert(connection, schema.mentions, _MENTION, rows)


async def insert_scores(connection: AsyncConnection, scores: Sequence[Score], code_version: str) -> None:
    """Champion scores, of revisions that this transaction inserted."""
    rows = [
        (
            *(s.score_id, s.document_id, s.content_digest, s.instrument_id, s.relevance),
            *(s.sentiment.negative, s.sentiment.neutral, s.sentiment.positive),
            *(s.model_version, s.directory_version, code_version, s.published_at, s.scored_at),
        )
        for s in scores
    ]
    await _insert(connection, schema.scores, _SCORE, rows)


async def insert_dead_letters(connection: AsyncConnection, rows: Sequence[bulk.Row]) -> None:
    """Rows in the order of `_DEAD_LETTER`: position, reason, detail, key, payload, received_at, erased_at."""
    await _insert(connection, schema.dead_letters, _DEAD_LETTER, rows)


async def insert_receipts(connection: AsyncConnection, rows: Sequence[bulk.Row]) -> set[Position]:
    """Rows in the order of `_RECEIPT`: position, digest, outcome, revision, reason, batch, received_at, latency.

    Returns the positions inserted; the others have a receipt from another transaction.
    """
    ordered = sorted(rows, key=lambda row: (row[0], row[1], row[2]))
    inserted = await _insert(connection, schema.receipts, _RECEIPT, ordered, returning=_POSITION)
    return {(topic, partition, offset) for topic, partition, offset in inserted}


async def champion_scores(connection: AsyncConnection, revisions: Sequence[Revision]) -> list[Score]:
    """The champion scores of revisions, to be published again."""
    rows = await connection.execute(
        text(
            "SELECT s.score_id, s.document_id, s.content_digest, s.instrument_id, s.relevance,"
            " s.negative, s.neutral, s.positive,"
            " s.model_version, s.directory_version, d.source, d.kind, s.published_at, d.updated_at, s.scored_at"
            " FROM unnest(CAST(:documents AS text[]), CAST(:digests AS bytea[])) AS w(document_id, content_digest)"
            " JOIN scores s USING (document_id, content_digest) JOIN documents d USING (document_id, content_digest)"
            " WHERE s.role = 'champion' ORDER BY s.score_id"
        ),
        {"documents": [d for d, _ in revisions], "digests": [c for _, c in revisions]},
    )
    return [
        Score(
            score_id=row.score_id,
            document_id=row.document_id,
            content_digest=row.content_digest,
            instrument_id=row.instrument_id,
            relevance=row.relevance,
            sentiment=Sentiment(row.negative, row.neutral, row.positive),
            model_version=row.model_version,
            directory_version=row.directory_version,
            source=row.source,
            kind=row.kind,
            published_at=row.published_at,
            updated_at=row.updated_at,
            scored_at=row.scored_at,
        )
        for row in rows
    ]


async def retractions(connection: AsyncConnection, revisions: Sequence[Revision]) -> list[Retraction]:
    """Those of the revisions that are retractions, to be published again."""
    columns = (*_REVISION, "source", "updated_at", "is_retraction")
    rows = await _select(connection, schema.documents, _REVISION, columns, revisions)
    return [Retraction(*values) for *values, is_retraction in rows if is_retraction]


async def dead_letters_at(connection: AsyncConnection, positions: Sequence[Position]) -> list[tuple[Any, ...]]:
    """(topic, partition, offset, key, payload, reason, detail) of dead letters that were not erased, to be published
    again."""
    columns = (*_POSITION, "message_key", "payload", "reason", "detail", "erased_at")
    rows = await _select(connection, schema.dead_letters, _POSITION, columns, positions)
    return [row[:-1] for row in rows if row[-1] is None]


async def trailing_dead_letters(connection: AsyncConnection, topic: str, partition: int, at_most: int) -> int:
    """How many of the partition's newest receipts in a row are dead letters; counts no further than `at_most`."""
    outcomes = await connection.scalars(
        text(
            "SELECT outcome FROM receipts WHERE topic = :topic AND partition = :partition"
            " ORDER BY kafka_offset DESC LIMIT :at_most"
        ),
        {"topic": topic, "partition": partition, "at_most": at_most},
    )
    run = 0
    for outcome in outcomes:
        if outcome != "dead_letter":
            break
        run += 1
    return run


async def _select(
    connection: AsyncConnection, table: Table, key: tuple[str, ...], columns: tuple[str, ...], keys: Sequence[bulk.Row]
) -> list[tuple[Any, ...]]:
    if not keys:
        return []
    result = await connection.execute(bulk.select_by_key(table, key, columns), bulk.parameters(key, keys))
    return [tuple(row) for row in result]


async def _insert(
    connection: AsyncConnection,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[bulk.Row],
    returning: tuple[str, ...] = (),
) -> list[tuple[Any, ...]]:
    if not rows:
        return []
    result = await connection.execute(bulk.insert(table, columns, returning), bulk.parameters(columns, rows))
    return [tuple(row) for row in result] if returning else []
