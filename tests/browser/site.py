"""A dashboard for tests: what is published goes through the monitor's own code into real Postgres and Redis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.domain.sentiment import Sentiment
from stream_worker.pipelines.monitoring import Monitor
from stream_worker.settings import Settings
from stream_worker.storage.schema import dirty_marks, documents, metadata, scores

MODEL = "sentiment/1@0123456789ab entities/1@ba9876543210"
GOOD, BAD, PLAIN = Sentiment(0.05, 0.15, 0.8), Sentiment(0.85, 0.1, 0.05), Sentiment(0.1, 0.8, 0.1)


@dataclass(frozen=True)
class Story:
    """A document to be, and the sentiment towards each instrument that it names."""

    title: str
    sentiment: Sentiment | None = PLAIN
    naming: Mapping[str, Sentiment] = field(default_factory=dict)
    minutes_ago: float = 1.0
    url: str | None = None
    source: str = "wire"
    unscored_reason: str | None = None


@dataclass
class Site:
    """A running dashboard, and the servers behind it."""

    url: str
    settings: Settings
    engine: AsyncEngine

    async def publish(self, stories: Sequence[Story]) -> None:
        """Store the stories as a worker would, and let the monitor publish them."""
        now = datetime.now(UTC)
        async with self.engine.begin() as connection:
            for story in stories:
                document = _document(story, now)
                await connection.execute(insert(documents).values(document))
                for row in _scores(story, document):
                    await connection.execute(insert(scores).values(row))
                await connection.execute(insert(dirty_marks).values(document_id=document["document_id"]))
        await self.publish_again()

    async def publish_again(self) -> None:
        """One round of the monitor: windows, then live state."""
        redis: Redis = Redis.from_url(self.settings.require_redis_url())
        try:
            monitor = Monitor(self.engine, redis, self.settings)
            await monitor.recompute()
            await monitor.publish()
        finally:
            await redis.aclose()

    async def empty(self) -> None:
        """Forget everything."""
        redis: Redis = Redis.from_url(self.settings.require_redis_url())
        await redis.flushdb()
        await redis.aclose()
        async with self.engine.begin() as connection:
            names = ", ".join(table.name for table in metadata.sorted_tables)
            await connection.execute(text(f"TRUNCATE {names}"))


def _document(story: Story, now: datetime) -> dict[str, Any]:
    digest = blake2b(repr(story).encode(), digest_size=16).digest()
    return {
        "document_id": digest.hex(),
        "content_digest": digest,
        "source": story.source,
        "kind": "news",
        "url": story.url,
        "title": story.title,
        "language": "en" if story.sentiment else None,
        "published_at": now - timedelta(minutes=story.minutes_ago),
        "received_at": now,
        "unscored_reason": story.unscored_reason,
    }


def _scores(story: Story, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    if story.sentiment is None:
        return []
    return [
        {
            "score_id": f"{document['document_id']}/{instrument_id}",
            "document_id": document["document_id"],
            "content_digest": document["content_digest"],
            "instrument_id": instrument_id,
            "relevance": 1.0 if instrument_id else None,
            "negative": sentiment.negative,
            "neutral": sentiment.neutral,
            "positive": sentiment.positive,
            "model_version": MODEL,
            "directory_version": "directory",
            "code_version": "code",
            "published_at": document["published_at"],
            "scored_at": document["received_at"],
        }
        for instrument_id, sentiment in {"": story.sentiment, **story.naming}.items()
    ]
