"""Erasure: the text of a document goes for good, in all its revisions, and does not come back.

What stays: ids, times, scores and windows (numbers that name nobody), receipts with their digests, and a row of
`erasures`, by which writers know what they must not store again.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.domain.documents import named_document
from stream_worker.domain.json_objects import json_object
from stream_worker.errors import InvalidDocument
from stream_worker.storage.batches import Position
from stream_worker.storage.publications import to_publish
from stream_worker.storage.schema import WHOLE

_NOTE = text("INSERT INTO erasures VALUES (:document_id, :now, :reason) ON CONFLICT DO NOTHING")
#: Conflicts with the locks of every INSERT: whoever may have looked for erasures before ours has ended when it is held.
_WAIT_FOR_WRITERS = text("LOCK TABLE documents, dead_letters IN SHARE ROW EXCLUSIVE MODE")
_NAMESAKES = text("""
    SELECT DISTINCT document_id FROM documents
    WHERE source = :source AND (source_id = CAST(:source_id AS text) OR url = CAST(:url AS text))
""")
_NAMES = text("SELECT DISTINCT source, source_id, url FROM documents WHERE document_id = :document_id")
_DOCUMENTS = text("""
    UPDATE documents SET source_id = NULL, url = NULL, title = NULL, body = NULL, author = NULL, erased_at = :now
    WHERE document_id = :document_id AND erased_at IS NULL AND NOT is_retraction
""")
_MENTIONS = text("UPDATE mentions SET surface = '' WHERE document_id = :document_id")
_MESSAGES = text("""
    SELECT topic, partition, kafka_offset FROM receipts WHERE document_id = :document_id ORDER BY received_at
""")
_DEAD_LETTERS = text("""
    SELECT topic, partition, kafka_offset, payload FROM dead_letters
    WHERE payload IS NOT NULL AND (topic, partition, kafka_offset) > (:topic, :partition, :offset)
    ORDER BY topic, partition, kafka_offset LIMIT 100
""")
_ERASE_DEAD_LETTER = text("""
    UPDATE dead_letters SET message_key = NULL, payload = NULL, detail = '', erased_at = :now
    WHERE (topic, partition, kafka_offset) = (:topic, :partition, :offset)
""")


#: All parts of a name, as they stand in bytes that cannot be read.
_Pattern = tuple[re.Pattern[bytes], ...]


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
    messages: tuple[Position, ...]


async def namesakes(engine: AsyncEngine, name: Name) -> list[str]:
    """The ids of stored documents of that name: one with an id goes by that, and may have the url besides."""
    async with engine.connect() as connection:
        return list(await connection.scalars(_NAMESAKES, asdict(name)))


async def erase(engine: AsyncEngine, document_id: str, name: Name | None, reason: str, now: datetime) -> Erased:
    """Erase a document, known or still to come; doing it again changes nothing, and goes on where it broke off.

    Dead letters that name the document as its source does are erased as well, readable or not; where `name` is None
    the names that are stored are taken. Live state is noted to be published anew.
    """
    async with engine.begin() as connection:
        await connection.execute(_NOTE, {"document_id": document_id, "now": now, "reason": reason})
    async with engine.begin() as connection:
        rows = await connection.execute(_NAMES, {"document_id": document_id})
        names = [*(Name(*row) for row in rows), *([name] if name is not None else [])]
        # Held for the moment that the commit takes: writers go on at once.
        await connection.execute(_WAIT_FOR_WRITERS)
    # Before the documents, which carry the names: where this breaks off, it can be done again.
    dead_letters = await _erase_dead_letters(engine, document_id, names, now)
    async with engine.begin() as connection:
        revisions = await connection.execute(_DOCUMENTS, {"document_id": document_id, "now": now})
        mentions = await connection.execute(_MENTIONS, {"document_id": document_id})
        messages = await connection.execute(_MESSAGES, {"document_id": document_id})
        await to_publish(connection, [WHOLE])
        places = (*((row[0], row[1], row[2]) for row in messages), *dead_letters)
        return Erased(revisions.rowcount, mentions.rowcount, len(dead_letters), places)


async def _erase_dead_letters(
    engine: AsyncEngine, document_id: str, names: Sequence[Name], now: datetime
) -> list[Position]:
    """A hundred at a time, so that nobody waits for long; those that were erased."""
    patterns = [pattern for name in names if (pattern := _pattern(name)) is not None]
    erased: list[Position] = []
    last: Position = ("", 0, -1)
    while True:
        async with engine.begin() as connection:
            letters = (await connection.execute(_DEAD_LETTERS, _at(last))).all()
            if not letters:
                return erased
            for *position, payload in letters:
                last = (position[0], position[1], position[2])
                if _names(payload, document_id, patterns):
                    await connection.execute(_ERASE_DEAD_LETTER, {**_at(last), "now": now})
                    erased.append(last)


def _at(position: Position) -> dict[str, str | int]:
    return dict(zip(("topic", "partition", "offset"), position, strict=True))


def _names(payload: bytes, document_id: str, patterns: Sequence[_Pattern]) -> bool:
    """Whether a message means the document: by what it says, or, where it is not JSON or not quite, by how it looks."""
    try:
        fields = json_object(payload)
    except InvalidDocument:
        return any(all(part.search(payload) for part in pattern) for pattern in patterns)
    return named_document(fields) == document_id


def _pattern(name: Name) -> _Pattern | None:
    """None for a document that has neither id nor url: its source alone would mean all others of that source too."""
    field, value = ("id", name.source_id) if name.source_id is not None else ("url", name.url)
    return None if value is None else (_field("source", name.source), _field(field, value))


def _field(field: str, value: str) -> re.Pattern[bytes]:
    """The field with that value, in the ways in which JSON writers write a string."""
    plain, escaped = orjson.dumps(value), json.dumps(value).encode()
    spellings = {spelling for each in (plain, escaped) for spelling in (each, each.replace(b"/", rb"\/"))}
    return re.compile(
        rb'"%s"\s*:\s*(?:%s)' % (field.encode(), b"|".join(map(re.escape, sorted(spellings)))), re.IGNORECASE
    )
