"""What the dashboard reads: the live view in Redis, and history in Postgres. Read only, synchronous."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from stream_worker.errors import Unavailable
from stream_worker.storage.live import FEED, board_key, live_key

State = dict[str, Any]

_DOCUMENTS = text("""
    SELECT d.document_id, d.source, d.kind, d.url, d.published_at, coalesce(d.title, d.body) AS text, d.language,
        d.unscored_reason, s.negative, s.neutral, s.positive, s.model_version
    FROM scores s JOIN documents d USING (document_id, content_digest)
    WHERE s.instrument_id = :instrument_id AND s.role = 'champion' AND NOT EXISTS (
        SELECT FROM documents newer WHERE newer.document_id = d.document_id
        AND (coalesce(newer.updated_at, newer.published_at), newer.content_digest)
            > (coalesce(d.updated_at, d.published_at), d.content_digest)
    )
    ORDER BY s.published_at DESC LIMIT :at_most
""")
_INSTRUMENTS = text("""
    SELECT instrument_id FROM windows WHERE instrument_id <> '' GROUP BY 1 ORDER BY sum(documents) DESC, 1
""")


class LiveReader:
    """The live view. Every method raises Unavailable, with a sentence for the screen, while Redis is away."""

    def __init__(self, url: str) -> None:
        self._redis: Redis = Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)

    def feed(self) -> State | None:
        """The newest documents; None before anything was published."""
        return self._get(FEED)

    def board(self, name: str) -> State | None:
        """A leader board: `mentioned` or `negative`."""
        return self._get(board_key(name))

    def instrument(self, instrument_id: str) -> State | None:
        """An instrument's live state; '' is the market."""
        return self._get(live_key(instrument_id))

    def _get(self, key: str) -> State | None:
        try:
            state = self._redis.hget(key, "state")
        except RedisError:
            raise Unavailable("The live view (Redis) does not answer; this page goes on trying.") from None
        if state is None:
            return None
        value: State = json.loads(state)
        return value


class HistoryReader:
    """Postgres. Every method raises Unavailable, with a sentence for the screen, while it is away."""

    def __init__(self, url: str) -> None:
        self._engine: Engine = create_engine(
            url.replace("+asyncpg", "+psycopg"), pool_pre_ping=True, connect_args={"connect_timeout": 2}
        )

    def instruments(self) -> list[str]:
        """Those that documents have named, most often named first."""
        return [str(row.instrument_id) for row in self._rows(_INSTRUMENTS)]

    def documents(self, instrument_id: str, at_most: int) -> list[State]:
        """The newest current revisions that name an instrument, with its own sentiment in each."""
        return [_document(row) for row in self._rows(_DOCUMENTS, instrument_id=instrument_id, at_most=at_most)]

    def _rows(self, statement: Any, **parameters: Any) -> Sequence[Any]:
        try:
            with self._engine.connect() as connection:
                return connection.execute(statement, parameters).all()
        except SQLAlchemyError:
            raise Unavailable("The database does not answer; this page goes on trying.") from None


def _document(row: Any) -> State:
    published_at: datetime = row.published_at
    return {
        **{name: getattr(row, name) for name in ("document_id", "source", "kind", "url", "text", "model_version")},
        "published_at": published_at.isoformat(),
        "unscored_reason": row.unscored_reason,
        "sentiment": {"negative": row.negative, "neutral": row.neutral, "positive": row.positive},
        "instruments": [],
    }
