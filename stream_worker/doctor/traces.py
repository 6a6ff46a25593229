"""What a document leaves behind on its way, and where to look for it."""

from datetime import datetime
from typing import Any, NamedTuple

from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.settings import Clock
from stream_worker.storage.clock import NOW
from stream_worker.storage.live import published_feed

_RECEIPT = text("""
    SELECT r.outcome, concat_ws(': ', d.reason, d.detail) AS refusal
    FROM receipts r LEFT JOIN dead_letters d USING (topic, partition, kafka_offset)
    WHERE r.topic = :topic AND r.partition = :partition AND r.kafka_offset = :offset
""")
_SCORE = text("""
    SELECT s.model_version, s.positive - s.negative AS polarity, d.unscored_reason
    FROM documents d LEFT JOIN scores s ON s.document_id = d.document_id AND s.content_digest = d.content_digest
        AND s.instrument_id = '' AND s.role = 'champion'
    WHERE d.document_id = :document_id AND NOT d.is_retraction
""")
_IS_MARKED = text("SELECT EXISTS (SELECT FROM dirty_marks WHERE document_id = :document_id)")


class Place(NamedTuple):
    """Of a message in Kafka."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition} at offset {self.offset}"


class Receipt(NamedTuple):
    """What a worker wrote of a message; `refusal` says why it could not become a document."""

    outcome: str
    refusal: str


class Traces:
    """Looks once, at Postgres and Redis. Every method raises what their clients raise while they are away."""

    def __init__(self, engine: AsyncEngine, redis: Redis, clock: Clock) -> None:
        self._engine = engine
        self._redis = redis
        self._clock = clock

    async def now(self) -> datetime:
        """By the deployment's clock."""
        now: datetime = (await self._row(NOW[self._clock]))[0]
        return now

    async def receipt(self, place: Place) -> Receipt | None:
        """Of the message there."""
        row = await self._row(_RECEIPT, topic=place.topic, partition=place.partition, offset=place.offset)
        return Receipt(row.outcome, row.refusal) if row is not None else None

    async def score(self, document_id: str) -> Any:
        """`model_version` and `polarity` of its own score, or `unscored_reason`; None before it is stored."""
        return await self._row(_SCORE, document_id=document_id)

    async def is_counted(self, document_id: str) -> bool:
        """Whether the monitor has recomputed all windows that the document's revisions touch."""
        return not (await self._row(_IS_MARKED, document_id=document_id))[0]

    async def is_shown(self, document_id: str) -> bool:
        """Whether the live feed has it."""
        feed = await published_feed(self._redis)
        return feed is not None and any(shown["document_id"] == document_id for shown in feed["documents"])

    async def shown_at(self) -> datetime | None:
        """When the live feed was published last, by the deployment's clock."""
        feed = await published_feed(self._redis)
        return datetime.fromisoformat(feed["as_of"]) if feed is not None else None

    async def _row(self, query: Any, **parameters: Any) -> Any:
        async with self._engine.connect() as connection:
            return (await connection.execute(query, parameters)).one_or_none()
