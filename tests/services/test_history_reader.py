"""What Postgres remembers of an instrument, read from rows that stand there."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.errors import Unavailable
from stream_worker.settings import Clock
from stream_worker.storage.history_reader import HistoryReader, Question
from stream_worker.storage.schema import dirty_marks, documents, scores
from stream_worker.storage.views import NamedInstrument, TrendPoint
from stream_worker.storage.windows import recompute_marked

NOON = datetime(2008, 9, 15, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = Question("apple", timedelta(days=1), 15 * MINUTE)


@pytest.fixture
def reader(engine: AsyncEngine, database_url: str) -> Iterator[HistoryReader]:
    reader = HistoryReader(database_url.replace("postgresql://", "postgresql+asyncpg://"), Clock.STREAM)
    yield reader
    reader.close()


async def _store(engine: AsyncEngine, name: str, minutes: int, towards: dict[str, float], **fields: Any) -> None:
    """A document whose polarity is 0.0, and 0.5 times `towards` for each instrument."""
    document = {
        "document_id": name,
        "content_digest": name.encode() + bytes([len(fields)]),
        "source": "wire",
        "kind": "news",
        "title": name,
        "published_at": NOON - minutes * MINUTE,
        "received_at": NOON,
    } | fields
    async with engine.begin() as connection:
        await connection.execute(insert(documents).values(document))
        for instrument_id, lean in {"": 0.0, **towards}.items():
            score = {
                "score_id": f"{document['content_digest']!r}{instrument_id}",
                "document_id": name,
                "content_digest": document["content_digest"],
                "instrument_id": instrument_id,
                "relevance": 1.0 if instrument_id else None,
                "negative": 0.25 - lean / 4,
                "neutral": 0.5,
                "positive": 0.25 + lean / 4,
                "model_version": "model",
                "directory_version": "directory",
                "code_version": "code",
                "published_at": document["published_at"],
                "scored_at": NOON,
            }
            await connection.execute(insert(scores).values(score))
        await connection.execute(insert(dirty_marks).values(document_id=name))
        await recompute_marked(connection, NOON, 1000)


async def test_a_trend_joins_windows_and_ends_at_the_newest_document(
    engine: AsyncEngine, reader: HistoryReader
) -> None:
    await _store(engine, "a", 30, {"apple": 1.0})
    await _store(engine, "b", 29, {"apple": -0.5})
    await _store(engine, "c", 28, {"apple": -0.5}, kind="comment")
    await _store(engine, "d", 0, {"nokia": 1.0})
    await _store(engine, "too old", 60 * 24 + 1, {"apple": 1.0})
    history = reader.history(DAY, 10)
    assert history.as_of == NOON
    assert history.trend == (TrendPoint(NOON - 30 * MINUTE, 3, 0.0),)
    assert [named.document.document_id for named in history.documents] == ["c", "b", "a"]
    news = reader.history(Question("apple", DAY.span, MINUTE, ("news",)), 1)
    assert [point.documents for point in news.trend] == [1, 1]
    assert [named.document.document_id for named in news.documents] == ["b"]


async def test_a_document_comes_with_the_sentiment_towards_the_instrument_and_all_that_it_names(
    engine: AsyncEngine, reader: HistoryReader
) -> None:
    await _store(engine, "a", 0, {"apple": -1.0, "nokia": 1.0}, body="and more")
    (named,) = reader.history(DAY, 10).documents
    assert named.sentiment.polarity == -0.5
    assert named.document.sentiment is not None
    assert named.document.sentiment.polarity == 0.0
    assert named.document.instruments == (NamedInstrument("apple", -0.5), NamedInstrument("nokia", 0.5))
    assert named.document.text == "a\nand more"


async def test_only_the_current_revision_is_shown(engine: AsyncEngine, reader: HistoryReader) -> None:
    await _store(engine, "a", 5, {"apple": 1.0})
    await _store(engine, "a", 5, {"nokia": 1.0}, title="corrected", updated_at=NOON)
    assert reader.history(DAY, 10).documents == ()
    assert [n.document.text for n in reader.history(Question("nokia", DAY.span, MINUTE), 10).documents] == ["corrected"]


def test_a_database_that_is_away_is_unavailable() -> None:
    reader = HistoryReader("postgresql+asyncpg://nobody:secret@127.0.0.1:1/none", Clock.WALL)
    with pytest.raises(Unavailable) as raised:
        reader.history(DAY, 10)
    assert "secret" not in str(raised.value)
