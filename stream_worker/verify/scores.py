"""Checks of scores: each revision, and each instrument in it, is scored once, by a model that is known."""

from stream_worker.verify.deployment import Deployment
from stream_worker.verify.report import Violations


async def documents_are_scored_once(deployment: Deployment) -> Violations:
    """Every document revision has exactly one champion score of its own, or a reason why not; retractions have none."""
    return await deployment.snapshot.violations("""
        SELECT d.document_id, d.content_digest, count(s.score_id) AS champion_scores
        FROM documents d
        LEFT JOIN scores s ON s.document_id = d.document_id AND s.content_digest = d.content_digest
            AND s.role = 'champion' AND s.instrument_id = ''
        WHERE d.unscored_reason IS NULL
        GROUP BY d.document_id, d.content_digest
        HAVING count(s.score_id) <> CASE WHEN d.is_retraction THEN 0 ELSE 1 END
    """)


async def unscored_documents_have_no_scores(deployment: Deployment) -> Violations:
    """A document revision with a reason why it is unscored has no score of any kind."""
    return await deployment.snapshot.violations("""
        SELECT d.document_id, d.content_digest, d.unscored_reason, count(*) AS scores
        FROM documents d JOIN scores s USING (document_id, content_digest)
        WHERE d.unscored_reason IS NOT NULL
        GROUP BY d.document_id, d.content_digest, d.unscored_reason
    """)


async def mentioned_instruments_are_scored_once(deployment: Deployment) -> Violations:
    """Every instrument with a mention that the model read has exactly one champion score; no other instrument has one.

    A mention beyond what the model read has no sentiment; an instrument with none but such mentions has no score.
    """
    return await deployment.snapshot.violations("""
        WITH mentioned AS (
            SELECT DISTINCT m.document_id, m.content_digest, m.instrument_id
            FROM mentions m JOIN documents d USING (document_id, content_digest)
            WHERE m.instrument_id IS NOT NULL AND m.negative IS NOT NULL AND d.unscored_reason IS NULL
        ), scored AS (
            SELECT s.document_id, s.content_digest, s.instrument_id, count(*) AS champion_scores
            FROM scores s JOIN documents d USING (document_id, content_digest)
            WHERE s.role = 'champion' AND s.instrument_id <> '' AND d.unscored_reason IS NULL
            GROUP BY s.document_id, s.content_digest, s.instrument_id
        )
        SELECT document_id, content_digest, instrument_id, m.instrument_id IS NOT NULL AS mentioned,
            coalesce(s.champion_scores, 0) AS champion_scores
        FROM (SELECT *, true AS present FROM mentioned) m
        FULL JOIN scored s USING (document_id, content_digest, instrument_id)
        WHERE m.present IS NULL OR s.champion_scores IS DISTINCT FROM 1
    """)


async def scores_are_probabilities(deployment: Deployment) -> Violations:
    """Every score's sentiment is a distribution over negative, neutral and positive."""
    return await deployment.snapshot.violations("""
        SELECT score_id, document_id, instrument_id, negative, neutral, positive
        FROM scores
        WHERE NOT coalesce(negative BETWEEN 0 AND 1 AND neutral BETWEEN 0 AND 1 AND positive BETWEEN 0 AND 1
            AND abs(negative + neutral + positive - 1) < 1e-3, false)
    """)


async def instruments_have_relevance(deployment: Deployment) -> Violations:
    """Every mention, and every score of an instrument, says how relevant it is, from 0 to 1; other scores do not."""
    return await deployment.snapshot.violations("""
        SELECT document_id, content_digest, instrument_id, relevance
        FROM (
            SELECT document_id, content_digest, coalesce(instrument_id, 'nobody') AS instrument_id, relevance
            FROM mentions
            UNION ALL SELECT document_id, content_digest, instrument_id, relevance FROM scores
        ) AS said
        WHERE CASE WHEN instrument_id = '' THEN relevance IS NOT NULL
            ELSE NOT coalesce(relevance BETWEEN 0 AND 1, false) END
    """)


async def scores_carry_the_time_of_publication(deployment: Deployment) -> Violations:
    """Every score belongs to a stored revision and has its time of publication."""
    return await deployment.snapshot.violations("""
        SELECT s.score_id, s.document_id, s.content_digest, s.instrument_id,
            s.published_at, d.published_at AS document_published_at
        FROM scores s LEFT JOIN documents d USING (document_id, content_digest)
        WHERE s.published_at IS DISTINCT FROM d.published_at
    """)


async def scores_name_a_known_model(deployment: Deployment) -> Violations:
    """Every score's model version is one whose manifests are stored."""
    return await deployment.snapshot.violations("""
        SELECT s.score_id, s.document_id, s.content_digest, s.instrument_id, s.model_version
        FROM scores s
        WHERE NOT EXISTS (SELECT FROM model_versions m WHERE m.model_version = s.model_version)
    """)


async def scores_name_a_known_directory(deployment: Deployment) -> Violations:
    """Every score since directories are stored was linked with one that is."""
    return await deployment.snapshot.violations("""
        SELECT s.score_id, s.document_id, s.content_digest, s.instrument_id, s.directory_version
        FROM scores s
        WHERE s.scored_at >= (SELECT min(made_at) FROM directory_changes)
        AND NOT EXISTS (SELECT FROM directory_changes c WHERE c.version = s.directory_version)
    """)
