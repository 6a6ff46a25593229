"""Erasure: the text of a document goes for good, in all its revisions, and does not come back.

What stays: ids, times, scores and windows (numbers that name nobody), receipts with their digests, and a row of
`erasures`, by which writers know what they must not store again.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from stream_worker.storage.publications import to_publish
from stream_worker.storage.schema import WHOLE

_NOTE = text("INSERT INTO erasures VALUES (:document_id, :now, :reason) ON CONFLICT DO NOTHING")
#: Conflicts with the lock of every INSERT: whoever may have looked for erasures before ours has ended when it is held.
_WAIT_FOR_WRITERS = text("LOCK TABLE documents IN SHARE ROW EXCLUSIVE MODE")
_NAMES = text("SELECT DISTINCT source, source_id, url FROM documents WHERE document_id = :document_id")
_DOCUMENTS = text("""
    UPDATE documents SET source_id = NULL, url = NULL, title = NULL, body = NULL, author = NULL, erased_at = :now
    WHERE document_id = :document_id AND erased_at IS NULL AND NOT is_retraction
""")
_MENTIONS = text("UPDATE mentions SET surface = '' WHERE document_id = :document_id")
_DEAD_LETTERS = text("""
    UPDATE dead_letters SET message_key = NULL, payload = NULL, detail = '', erased_at = :now
    WHERE erased_at IS NULL AND payload IS NOT NULL
    AND EXISTS (SELECT FROM unnest(CAST(:sources AS bytea[])) AS s(part) WHERE position(s.part IN payload) > 0)
    AND EXISTS (SELECT FROM unnest(CAST(:names AS bytea[])) AS n(part) WHERE position(n.part IN payload) > 0)
""")
_MESSAGES = text("""
    SELECT topic, partition, kafka_offset FROM receipts WHERE document_id = :document_id ORDER BY received_at
""")


@dataclass(frozen=True, slots=True)
class Name:
    """How a source names a document: by id or by url."""

    source: str
    source_id: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased now; `messages` are the (topic, partition, offset)s at which Kafka may still hold the text."""

    revisions: int
    mentions: int
    dead_letters: int
    messages: tuple[tuple[str, int, int], ...]


async def erase(engine: AsyncEngine, document_id: str, name: Name | None, reason: str, now: datetime) -> Erased:
    """Erase a document, known or still to come; doing it again changes nothing.

    Dead letters that name the document as its source does are erased as well, readable or not; where `name` is None
    the names that are stored are taken. Live state is noted to be published anew.
    """
    async with engine.begin() as connection:
        await connection.execute(_NOTE, {"document_id": document_id, "now": now, "reason": reason})
    async with engine.begin() as connection:
        await connection.execute(_WAIT_FOR_WRITERS)
        rows = await connection.execute(_NAMES, {"document_id": document_id})
        names = [*(Name(*row) for row in rows), *([name] if name is not None else [])]
        revisions = await connection.execute(_DOCUMENTS, {"document_id": document_id, "now": now})
        mentions = await connection.execute(_MENTIONS, {"document_id": document_id})
        dead_letters = await _erase_dead_letters(connection, names, now)
        messages = await connection.execute(_MESSAGES, {"document_id": document_id})
        await to_publish(connection, [WHOLE])
        return Erased(
            revisions.rowcount, mentions.rowcount, dead_letters, tuple((row[0], row[1], row[2]) for row in messages)
        )


async def _erase_dead_letters(connection: AsyncConnection, names: Sequence[Name], now: datetime) -> int:
    count = 0
    for name in names:
        own = [part for value in (name.source_id, name.url) if value is not None for part in _spellings(value)]
        parameters = {"sources": _spellings(name.source), "names": own, "now": now}
        count += (await connection.execute(_DEAD_LETTERS, parameters)).rowcount
    return count


def _spellings(value: str) -> list[bytes]:
    """The ways in which JSON writers write a string."""
    plain, escaped = orjson.dumps(value), json.dumps(value).encode()
    return list({spelling for each in (plain, escaped) for spelling in (each, each.replace(b"/", rb"\/"))})
