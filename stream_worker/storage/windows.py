"""Windows: recomputed from rows, never incremented. Late documents, corrections and repeats all take this path."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from stream_worker.storage.publications import to_publish
from stream_worker.storage.schema import IS_CURRENT, WHOLE

_CLAIM = text("""
    DELETE FROM dirty_marks WHERE mark_id IN (
        SELECT mark_id FROM dirty_marks ORDER BY mark_id LIMIT :at_most FOR UPDATE SKIP LOCKED
    ) RETURNING document_id
""")

#: All revisions count, not only the one that was marked: a correction may leave an instrument or a minute.
_EXPAND = text("""
    SELECT DISTINCT s.instrument_id, d.kind, date_trunc('minute', s.published_at, 'UTC') AS minute
    FROM scores s JOIN documents d USING (document_id, content_digest)
    WHERE s.role = 'champion' AND s.document_id = ANY(CAST(:documents AS text[]))
""")

_LOCK = text("""
    SELECT pg_advisory_xact_lock(hashtextextended('finsentry.window:' || instrument_id, 0))
    FROM (SELECT DISTINCT unnest(CAST(:instruments AS text[])) AS instrument_id ORDER BY 1) AS ascending
""")

_RECOMPUTE = text(f"""
    WITH keys AS (
        SELECT * FROM unnest(
            CAST(:instruments AS text[]), CAST(:kinds AS text[]), CAST(:minutes AS timestamptz[])
        ) AS k(instrument_id, kind, minute)
    ), fresh AS (
        SELECT k.instrument_id, k.kind, k.minute,
            count(*) AS documents,
            count(*) FILTER (WHERE s.negative >= s.neutral AND s.negative >= s.positive) AS negative_documents,
            count(*) FILTER (WHERE s.positive > s.neutral AND s.positive > s.negative) AS positive_documents,
            sum(s.positive - s.negative) AS polarity_sum,
            sum((s.positive - s.negative) * (s.positive - s.negative)) AS polarity_square_sum
        FROM keys k
        CROSS JOIN LATERAL (
            SELECT * FROM scores
            WHERE scores.instrument_id = k.instrument_id AND scores.role = 'champion'
            AND scores.published_at >= k.minute AND scores.published_at < k.minute + interval '1 minute'
            OFFSET 0 -- one index scan a key: without statistics the planner would join all minutes first
        ) s
        JOIN documents d ON d.document_id = s.document_id AND d.content_digest = s.content_digest AND d.kind = k.kind
        WHERE {IS_CURRENT}
        GROUP BY k.instrument_id, k.kind, k.minute
    ), emptied AS (
        DELETE FROM windows w USING keys k
        WHERE (w.instrument_id, w.kind, w.minute) = (k.instrument_id, k.kind, k.minute)
        AND NOT EXISTS (
            SELECT FROM fresh f WHERE (f.instrument_id, f.kind, f.minute) = (k.instrument_id, k.kind, k.minute)
        )
    )
    INSERT INTO windows SELECT fresh.*, CAST(:now AS timestamptz) FROM fresh
    ON CONFLICT (instrument_id, kind, minute) DO UPDATE SET
        documents = excluded.documents,
        negative_documents = excluded.negative_documents,
        positive_documents = excluded.positive_documents,
        polarity_sum = excluded.polarity_sum,
        polarity_square_sum = excluded.polarity_square_sum,
        computed_at = excluded.computed_at
""")  # noqa: S608 - a constant of ours


@dataclass(frozen=True, slots=True)
class Tick:
    """What one transaction of the monitor did."""

    marks: int
    windows: int


async def recompute_marked(connection: AsyncConnection, now: datetime, at_most: int) -> Tick:
    """Claim marks, recompute their windows, note what is to be published. Commit it as one transaction (READ
    COMMITTED): the marks are gone only if the windows are written.

    Locks are taken in ascending order and before the rows are read, so that of two monitors the one that writes last
    has read last.
    """
    documents = list(await connection.scalars(_CLAIM, {"at_most": at_most}))
    if not documents:
        return Tick(0, 0)
    keys = [tuple(row) for row in await connection.execute(_EXPAND, {"documents": documents})]
    instruments = [instrument_id for instrument_id, _, _ in keys]
    await connection.execute(_LOCK, {"instruments": instruments})
    if keys:
        columns = dict(zip(("instruments", "kinds", "minutes"), map(list, zip(*keys, strict=True)), strict=True))
        await connection.execute(_RECOMPUTE, {**columns, "now": now})
    await to_publish(connection, [*instruments, WHOLE])
    return Tick(len(documents), len(keys))
