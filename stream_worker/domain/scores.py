"""Score: a sentiment of one model version for a document, or for an instrument in it."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from stream_worker.domain.documents import Revision
from stream_worker.domain.sentiment import Sentiment


@dataclass(frozen=True, slots=True)
class Score:
    """As it is stored and published; `instrument_id` is '' and `relevance` None for the document as a whole."""

    score_id: str
    document_id: str
    content_digest: bytes
    instrument_id: str
    relevance: float | None
    sentiment: Sentiment
    model_version: str
    directory_version: str
    source: str
    kind: str
    published_at: datetime
    updated_at: datetime | None
    scored_at: datetime


def score_id(revision: Revision, instrument_id: str, model_version: str) -> str:
    """The same for the same score, whoever computes it and how often: consumers deduplicate by it."""
    document_id, content_digest = revision
    name = "\0".join((document_id, content_digest.hex(), instrument_id, model_version))
    return blake2b(name.encode(), digest_size=16).hexdigest()
