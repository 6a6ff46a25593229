"""Everything that is stored of one document: its revisions with their scores, and its receipts."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from stream_worker.storage.schema import IS_CURRENT

Row = dict[str, Any]

_REVISIONS = text(f"""
    SELECT d.*, {IS_CURRENT} AS is_current FROM documents d WHERE document_id = :document_id
    ORDER BY coalesce(updated_at, published_at), is_retraction, content_digest
""")  # noqa: S608 - a constant of ours
_SCORES = text("""
    SELECT content_digest, instrument_id, role, relevance, negative, neutral, positive, model_version,
        directory_version, scored_at
    FROM scores WHERE document_id = :document_id ORDER BY instrument_id, role
""")
_RECEIPTS = text("""
    SELECT topic, partition, kafka_offset, outcome, content_digest, received_at FROM receipts
    WHERE document_id = :document_id ORDER BY received_at, topic, partition, kafka_offset
""")
_ERASURE = text("SELECT erased_at, reason FROM erasures WHERE document_id = :document_id")


async def read_document(connection: AsyncConnection, document_id: str) -> Row:
    """`revisions` (oldest first, each with its `scores`), `receipts`, and `erasure` (None where there was none).

    Digests are hexadecimal. All are empty for a document that nothing is known of.
    """
    revisions, scores, receipts, erasures = [
        [_plain(row) for row in await connection.execute(query, {"document_id": document_id})]
        for query in (_REVISIONS, _SCORES, _RECEIPTS, _ERASURE)
    ]
    for revision in revisions:
        revision["scores"] = [score for score in scores if score["content_digest"] == revision["content_digest"]]
    return {
        "document_id": document_id,
        "revisions": revisions,
        "receipts": receipts,
        "erasure": erasures[0] if erasures else None,
    }


def _plain(row: Any) -> Row:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in row._mapping.items()}
