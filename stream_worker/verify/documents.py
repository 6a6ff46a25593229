"""Checks of document revisions and their mentions."""

from stream_worker.verify.deployment import Deployment
from stream_worker.verify.report import Violations


async def documents_have_one_accepted_receipt(deployment: Deployment) -> Violations:
    """Every document revision was accepted from exactly one message."""
    return await deployment.snapshot.violations("""
        SELECT d.document_id, d.content_digest, count(r.topic) AS accepted_receipts
        FROM documents d
        LEFT JOIN receipts r ON r.document_id = d.document_id AND r.content_digest = d.content_digest
            AND r.outcome = 'accepted'
        GROUP BY d.document_id, d.content_digest HAVING count(r.topic) <> 1
    """)


async def documents_carry_their_lane(deployment: Deployment) -> Violations:
    """Every document revision's lane is that of the topic it was accepted from.

    Of topics that this deployment does not read (under an earlier prefix) nobody can tell the lane.
    """
    return await deployment.snapshot.violations(
        """
        SELECT r.topic, r.partition, r.kafka_offset, d.document_id, d.content_digest, d.lane
        FROM receipts r JOIN documents d USING (document_id, content_digest)
        WHERE r.outcome = 'accepted'
            AND (r.topic = $1 AND d.lane <> 'live' OR r.topic = $2 AND d.lane <> 'backfill')
        """,
        deployment.live_topic,
        deployment.backfill_topic,
    )


async def mentions_lie_in_the_text(deployment: Deployment) -> Violations:
    """Every mention's span lies inside the raw text, and its surface is what stands there.

    Raw text: the title, the body, or both with a line break between them. Offsets count code points from 0. Of an
    erased text neither is left.
    """
    return await deployment.snapshot.violations("""
        WITH texts AS (
            SELECT document_id, content_digest,
                CASE WHEN title IS NOT NULL AND body IS NOT NULL THEN title || E'\\n' || body
                ELSE coalesce(title, body, '') END AS raw, erased_at IS NOT NULL AS erased
            FROM documents
        )
        SELECT m.document_id, m.content_digest, m.span_start, m.span_end, m.surface, char_length(t.raw) AS text_length
        FROM mentions m LEFT JOIN texts t USING (document_id, content_digest)
        WHERE t.raw IS NULL OR m.span_start < 0 OR m.span_end <= m.span_start
            OR (NOT t.erased AND (m.span_end > char_length(t.raw)
                OR m.surface <> substring(t.raw FROM m.span_start + 1 FOR greatest(m.span_end - m.span_start, 0))))
    """)


async def mentions_carry_probabilities(deployment: Deployment) -> Violations:
    """Every mention's sentiment is a distribution, or absent where the model did not read that far."""
    return await deployment.snapshot.violations("""
        SELECT document_id, content_digest, span_start, span_end, negative, neutral, positive
        FROM mentions
        WHERE num_nonnulls(negative, neutral, positive) NOT IN (0, 3)
            OR NOT (negative BETWEEN 0 AND 1 AND neutral BETWEEN 0 AND 1 AND positive BETWEEN 0 AND 1
                AND abs(negative + neutral + positive - 1) < 1e-3)
    """)


async def erased_documents_keep_no_text(deployment: Deployment) -> Violations:
    """Of an erased document no text, name or mention is left, and none has come back; erasing may take an hour."""
    return await deployment.snapshot.violations("""
        SELECT * FROM (
            SELECT d.document_id, d.content_digest, d.erased_at, e.document_id IS NOT NULL AS has_erasure,
                num_nonnulls(d.source_id, d.url, d.title, d.body, d.author) AS texts, (
                    SELECT count(*) FROM mentions m WHERE m.surface <> ''
                    AND (m.document_id, m.content_digest) = (d.document_id, d.content_digest)
                ) AS mentions
            FROM documents d LEFT JOIN erasures e USING (document_id)
            WHERE d.erased_at IS NOT NULL OR e.erased_at < now() - interval '1 hour'
        ) AS found
        WHERE texts > 0 OR mentions > 0 OR NOT has_erasure
    """)
