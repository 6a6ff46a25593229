"""The check of windows: everything recomputed from documents and scores, in one statement."""

from stream_worker.verify.deployment import Deployment
from stream_worker.verify.report import Violations

#: Windows that a pending mark may still change, over all revisions of the marked documents.
EXCEPTED = """
    SELECT DISTINCT s.instrument_id, d.kind, date_trunc('minute', d.published_at, 'UTC') AS minute
    FROM (SELECT DISTINCT document_id FROM dirty_marks) AS marked
    JOIN documents d USING (document_id)
    JOIN scores s USING (document_id, content_digest)
    WHERE s.role = 'champion'
"""

#: The order in which numbers are added changes their sum by about 1e-16 of the sum of their sizes.
_TOLERANCE = 1e-9

_EXPECTED = """
    SELECT s.instrument_id, c.kind, c.minute,
        count(*) AS documents,
        count(*) FILTER (WHERE s.negative >= s.neutral AND s.negative >= s.positive) AS negative_documents,
        count(*) FILTER (WHERE s.positive > s.neutral AND s.positive > s.negative) AS positive_documents,
        sum(s.positive - s.negative) AS polarity_sum,
        sum(abs(s.positive - s.negative)) AS polarity_size,
        sum((s.positive - s.negative) ^ 2) AS polarity_square_sum
    FROM (
        SELECT DISTINCT ON (document_id) document_id, content_digest, kind, unscored_reason, is_retraction,
            date_trunc('minute', published_at, 'UTC') AS minute
        FROM documents
        ORDER BY document_id, coalesce(updated_at, published_at) DESC, is_retraction DESC, content_digest DESC
    ) AS c
    JOIN scores s USING (document_id, content_digest)
    WHERE s.role = 'champion' AND c.unscored_reason IS NULL AND NOT c.is_retraction
    GROUP BY s.instrument_id, c.kind, c.minute
"""


async def windows_equal_a_recomputation(deployment: Deployment) -> Violations:
    """Every window without a pending mark is what its documents' current revisions say; none is missing or left over.

    Current is the revision with the highest time of change, then a retraction, then the highest digest; a retraction or
    an unscored one takes its document out.
    """
    return await deployment.snapshot.violations(
        f"""
        WITH compared AS (
            SELECT instrument_id, kind, minute,
                CASE
                    WHEN w.documents IS NULL THEN 'missing'
                    WHEN e.documents IS NULL THEN 'left over'
                    WHEN (w.documents, w.negative_documents, w.positive_documents)
                        <> (e.documents, e.negative_documents, e.positive_documents) THEN 'other counts'
                    WHEN abs(w.polarity_sum - e.polarity_sum) > $1 * e.polarity_size
                        OR abs(w.polarity_square_sum - e.polarity_square_sum) > $1 * e.polarity_square_sum
                    THEN 'other polarity'
                END AS problem,
                w.documents, e.documents AS expected_documents,
                w.negative_documents, e.negative_documents AS expected_negative_documents,
                w.positive_documents, e.positive_documents AS expected_positive_documents,
                w.polarity_sum, e.polarity_sum AS expected_polarity_sum,
                w.polarity_square_sum, e.polarity_square_sum AS expected_polarity_square_sum
            FROM ({_EXPECTED}) AS e FULL JOIN windows w USING (instrument_id, kind, minute)
        )
        SELECT c.* FROM compared c LEFT JOIN ({EXCEPTED}) AS x USING (instrument_id, kind, minute)
        WHERE c.problem IS NOT NULL AND x.minute IS NULL
        """,  # noqa: S608
        _TOLERANCE,
    )
