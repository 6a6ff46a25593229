"""What the live view shows, read from Postgres as absolute values."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from stream_worker.domain.documents import raw_text
from stream_worker.domain.sentiment import LABELS
from stream_worker.storage.schema import IS_SHOWN

State = dict[str, Any]

BOARD_ROWS = 50
#: Fewer documents say too little for a place among the most negative.
MIN_BOARD_DOCUMENTS = 3

_WINDOWS = text("""
    SELECT instrument_id, minute, sum(documents) AS documents, sum(negative_documents) AS negative_documents,
        sum(positive_documents) AS positive_documents, sum(polarity_sum) AS polarity_sum
    FROM windows
    WHERE instrument_id = ANY(CAST(:instruments AS text[])) AND minute > :since AND minute <= :now
    GROUP BY instrument_id, minute ORDER BY instrument_id, minute
""")

_BOARD = """
    SELECT instrument_id, sum(documents) AS documents, sum(negative_documents) AS negative_documents,
        sum(polarity_sum) / sum(documents) AS polarity
    FROM windows WHERE instrument_id <> '' AND minute > :since AND minute <= :now GROUP BY instrument_id
"""
_MENTIONED = text(f"{_BOARD} ORDER BY 2 DESC, 1 LIMIT :rows")
_NEGATIVE = text(f"{_BOARD} HAVING sum(documents) >= :at_least AND sum(polarity_sum) < 0 ORDER BY 4, 1 LIMIT :rows")

_FEED = text(f"""
    SELECT d.*, w.negative, w.neutral, w.positive, w.model_version, (
        SELECT coalesce(json_agg(json_build_object('instrument_id', s.instrument_id,
            'polarity', s.positive - s.negative) ORDER BY s.instrument_id), '[]')
        FROM scores s WHERE s.document_id = d.document_id AND s.content_digest = d.content_digest
        AND s.role = 'champion' AND s.instrument_id <> ''
    ) AS instruments
    FROM documents d LEFT JOIN scores w ON w.document_id = d.document_id AND w.content_digest = d.content_digest
        AND w.role = 'champion' AND w.instrument_id = ''
    WHERE d.published_at <= :now AND {IS_SHOWN}
    ORDER BY d.published_at DESC, d.received_at DESC, d.document_id LIMIT :rows
""")  # noqa: S608 - a constant of ours


async def live_states(connection: AsyncConnection, instruments: list[str], now: datetime, hours: int) -> list[State]:
    """One state for each instrument, in their order, over the hours before `now`."""
    since = now - timedelta(hours=hours)
    rows = await connection.execute(_WINDOWS, {"instruments": instruments, "since": since, "now": now})
    by_instrument: dict[str, list[Any]] = {instrument_id: [] for instrument_id in instruments}
    for row in rows:
        by_instrument[row.instrument_id].append(row)
    return [_live_state(instrument_id, windows) for instrument_id, windows in by_instrument.items()]


def _live_state(instrument_id: str, windows: list[Any]) -> State:
    documents = sum(w.documents for w in windows)
    return {
        "instrument_id": instrument_id,
        "documents": documents,
        "negative_documents": sum(w.negative_documents for w in windows),
        "positive_documents": sum(w.positive_documents for w in windows),
        "polarity": sum(w.polarity_sum for w in windows) / documents if documents else None,
        "latest_at": windows[-1].minute if windows else None,
        "series": [[w.minute, w.documents, w.polarity_sum / w.documents] for w in windows],
    }


async def boards(connection: AsyncConnection, now: datetime, hours: int) -> dict[str, State]:
    """The leader boards `mentioned` and `negative`."""
    window = {"since": now - timedelta(hours=hours), "now": now, "rows": BOARD_ROWS}
    mentioned = await connection.execute(_MENTIONED, window)
    negative = await connection.execute(_NEGATIVE, {**window, "at_least": MIN_BOARD_DOCUMENTS})
    return {
        name: {"as_of": now, "hours": hours, "rows": [dict(row._mapping) for row in rows]}
        for name, rows in (("mentioned", mentioned), ("negative", negative))
    }


async def feed(connection: AsyncConnection, now: datetime, documents: int) -> State:
    """The newest current revisions, newest first."""
    rows = await connection.execute(_FEED, {"now": now, "rows": documents})
    return {"as_of": now, "documents": [_feed_document(row) for row in rows]}


def _feed_document(row: Any) -> State:
    names = ("document_id", "source", "kind", "url", "published_at", "received_at", "language", "unscored_reason")
    scored = row.negative is not None
    return {
        **{name: getattr(row, name) for name in names},
        "text": raw_text(row.title, row.body)[:500],
        "sentiment": {label: getattr(row, label) for label in LABELS} if scored else None,
        "model_version": row.model_version,
        "instruments": row.instruments,
    }
