"""All checks, in the order in which a message goes its way."""

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC

from stream_worker.settings import Settings
from stream_worker.verify import documents, message_bytes, receipts, scores, windows
from stream_worker.verify.deployment import Deployment, open_deployment
from stream_worker.verify.report import CheckResult, Report, Violations

Check = Callable[[Deployment], Awaitable[Violations]]

CHECKS: tuple[Check, ...] = (
    receipts.offsets_have_receipts,
    receipts.offsets_have_one_receipt,
    receipts.receipts_have_messages,
    receipts.committed_offsets_are_in_the_log,
    receipts.accepted_receipts_have_documents,
    documents.documents_have_one_accepted_receipt,
    receipts.duplicates_have_originals,
    receipts.erased_receipts_have_erasures,
    receipts.dead_letters_match_receipts,
    documents.erased_documents_keep_no_text,
    documents.documents_carry_their_lane,
    documents.mentions_lie_in_the_text,
    documents.mentions_carry_probabilities,
    scores.documents_are_scored_once,
    scores.unscored_documents_have_no_scores,
    scores.mentioned_instruments_are_scored_once,
    scores.scores_are_probabilities,
    scores.instruments_have_relevance,
    scores.scores_carry_the_time_of_publication,
    scores.scores_name_a_known_model,
    scores.scores_name_a_known_directory,
    windows.windows_equal_a_recomputation,
)
#: Made only on request.
BYTE_CHECKS: tuple[Check, ...] = (
    message_bytes.receipts_digest_their_messages,
    message_bytes.dead_letters_keep_the_bytes,
)

_COUNTS = f"""
    SELECT 'receipts ' || outcome AS name, count(*) AS number FROM receipts GROUP BY outcome
    UNION ALL SELECT 'dead letters', count(*) FROM dead_letters
    UNION ALL SELECT 'documents', count(DISTINCT document_id) FROM documents
    UNION ALL SELECT 'revisions', count(*) FROM documents
    UNION ALL SELECT 'retractions', count(*) FROM documents WHERE is_retraction
    UNION ALL SELECT 'erasures', count(*) FROM erasures
    UNION ALL SELECT 'revisions unscored', count(*) FROM documents WHERE unscored_reason IS NOT NULL
    UNION ALL SELECT 'mentions', count(*) FROM mentions
    UNION ALL SELECT 'scores ' || role, count(*) FROM scores GROUP BY role
    UNION ALL SELECT 'windows', count(*) FROM windows
    UNION ALL SELECT 'windows with pending marks', count(*) FROM ({windows.EXCEPTED}) AS excepted
    UNION ALL SELECT 'pending marks', count(*) FROM dirty_marks
    UNION ALL SELECT 'model versions', count(*) FROM model_versions
"""  # noqa: S608
_COUNTED = (
    *("receipts accepted", "receipts duplicate", "receipts dead_letter", "receipts erased", "dead letters"),
    *(
        "documents",
        "revisions",
        "retractions",
        "erasures",
        "revisions unscored",
        "mentions",
        "scores champion",
        "scores shadow",
    ),
    *("windows", "windows with pending marks", "pending marks", "model versions"),
)


async def verify(settings: Settings, *, read_bytes: bool = False) -> Report:
    """Check a deployment, running or not, without changing anything in it.

    With `read_bytes`, every message is read from the broker and compared with its receipt. Raises Unavailable where
    Postgres or Kafka is away, ConfigurationError where their tables or topics are not there.
    """
    async with open_deployment(settings) as deployment:
        counts = await _counts(deployment)
        asked = (*CHECKS, *BYTE_CHECKS) if read_bytes else CHECKS
        results = [await _timed(check, deployment) for check in asked]
        results += [_result(check, None, 0.0) for check in BYTE_CHECKS if check not in asked]
        return Report(deployment.snapshot.taken_at.astimezone(UTC), counts, deployment.partitions, results)


async def _counts(deployment: Deployment) -> Mapping[str, int]:
    found = {row["name"]: row["number"] for row in await deployment.snapshot.rows(_COUNTS)}
    return {name: found.get(name, 0) for name in _COUNTED}


async def _timed(check: Check, deployment: Deployment) -> CheckResult:
    began = time.monotonic()
    violations = await check(deployment)
    return _result(check, violations, time.monotonic() - began)


def _result(check: Check, violations: Violations | None, seconds: float) -> CheckResult:
    promise = (check.__doc__ or "").partition("\n")[0]
    return CheckResult(check.__name__, promise, violations, seconds)
