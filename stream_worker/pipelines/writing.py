"""A batch into Postgres: what was decoded and assessed, as rows, in one transaction."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from stream_worker.domain.documents import named_document
from stream_worker.domain.json_objects import json_object
from stream_worker.domain.lanes import Lane
from stream_worker.domain.refusals import Reason
from stream_worker.domain.scores import Score, score_id
from stream_worker.errors import InvalidDocument, TooManyDeadLetters, Unavailable
from stream_worker.pipelines.assess import Assessor
from stream_worker.pipelines.batch import DeadLetter, Emissions, Item
from stream_worker.pipelines.measures import BatchMeasures
from stream_worker.storage import batches
from stream_worker.storage.bulk import Row
from stream_worker.storage.engine import is_data_error, said
from stream_worker.storage.schema import WHOLE

_log = structlog.get_logger(__name__)


class _Erased(Exception):
    """The transaction has inserted revisions of documents that were erased; it is rolled back."""

    def __init__(self, document_ids: set[str]) -> None:
        super().__init__(document_ids)
        self.document_ids = document_ids


class BatchWriter:
    """Writes the items of batches. Doing it again changes nothing: receipts and revisions are inserted once.

    Raises what `is_passing` knows as passing, TooManyDeadLetters where the database refuses document after document,
    and Unavailable where another worker has just written the same messages.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        assessor: Assessor,
        *,
        now: Callable[[], datetime],
        code_version: str,
        refusal_limit: int,
        lane: Lane,
    ) -> None:
        self._engine = engine
        self._assessor = assessor
        self._now = now
        self._code_version = code_version
        self._refusal_limit = refusal_limit
        self._lane = lane
        self._measures = BatchMeasures(lane)
        self._refused_in_a_row = 0

    async def write(self, batch_id: str, items: list[Item]) -> Emissions:
        """Write the items in one transaction, or, where a row is refused, in as few as keep the good ones."""
        if not items:
            return Emissions()
        try:
            emissions, accepted = await self._write_once(batch_id, items)
            if accepted:
                self._refused_in_a_row = 0
            self._measures.written(items, emissions, accepted)
            _log_committed(batch_id, emissions, accepted, len(items))
            return emissions
        except (DBAPIError, UnicodeEncodeError, OverflowError) as error:
            if not is_data_error(error):
                raise
            if len(items) == 1:
                return await self._bury(batch_id, items[0], error)
        middle = len(items) // 2
        emissions = await self.write(batch_id, items[:middle])
        emissions.extend(await self.write(batch_id, items[middle:]))
        return emissions

    async def _write_once(self, batch_id: str, items: Sequence[Item]) -> tuple[Emissions, list[str]]:
        """One transaction; once more without them where it met documents that were erased."""
        while True:
            try:
                async with self._engine.begin() as connection:
                    return await self._insert(connection, batch_id, items)
            except _Erased as met:
                for item in items:
                    item.erased |= _to_be_stored(item) in met.document_ids

    async def _bury(self, batch_id: str, item: Item, error: Exception) -> Emissions:
        """The one message whose row the database refused becomes a dead letter; a second refusal is a bug."""
        if item.dead_letter is not None:
            raise error
        self._refused_in_a_row += 1
        if self._refusal_limit and self._refused_in_a_row >= self._refusal_limit:
            raise TooManyDeadLetters(
                f"The database refused {self._refused_in_a_row} documents in a row, the last: {said(error)}. Look at "
                "the database's encoding and constraints; FINSENTRY_DEAD_LETTER_LIMIT=0 dead-letters them all."
            )
        item.document = item.retraction = item.assessment = None
        item.dead_letter = DeadLetter(Reason.DATABASE_REFUSED, said(error)[:500])
        return await self.write(batch_id, [item])

    async def _insert(
        self, connection: AsyncConnection, batch_id: str, items: Sequence[Item]
    ) -> tuple[Emissions, list[str]]:
        """Returns what to emit, and the ids of the documents accepted, once the transaction is committed."""
        now = self._now()
        candidates = {item.revision: item for item in reversed(items) if item.is_new}
        inserted = await batches.insert_revisions(
            connection, [_revision_row(item, self._lane, now) for item in candidates.values()]
        )
        letters = [_dead_letter_row(item, now) for item in items if item.dead_letter is not None]
        await batches.insert_dead_letters(connection, letters)
        # Read after the inserts: who erases a document waits for every writer that has come so far (`storage.erasure`).
        names = [name for item in items if (name := _to_be_stored(item)) is not None]
        if erased := await batches.erased_documents(connection, names):
            raise _Erased(erased)
        accepted = [item for item in items if item.revision in inserted and candidates.get(item.revision) is item]
        scores = [score for item in accepted for score in self._scores(item, now)]
        await batches.insert_mentions(connection, [row for item in accepted for row in self._mention_rows(item)])
        await batches.insert_scores(connection, scores, self._code_version)
        accepted_positions = {item.message.position for item in accepted}
        # The last statement of the transaction: what follows it is the commit.
        written_at = self._now().timestamp()
        receipts = [
            (
                *_receipt_row(item, item.message.position in accepted_positions, batch_id, now),
                item.message.under_way_seconds(written_at),
            )
            for item in items
        ]
        if len(await batches.insert_receipts(connection, receipts)) < len(receipts):
            raise Unavailable("Another worker holds this partition and has just written the same messages.")
        retractions = [item.retraction for item in accepted if item.retraction is not None]
        dead = [(i.message, i.dead_letter) for i in items if i.dead_letter is not None and not i.erased]
        return Emissions(scores, retractions, dead), [item.revision[0] for item in accepted if item.revision]

    def _scores(self, item: Item, now: datetime) -> list[Score]:
        document, assessment = item.document, item.assessment
        if document is None or assessment is None or assessment.sentiment is None:
            return []
        model_version = self._assessor.model_version
        return [
            Score(
                score_id=score_id(document.revision, instrument_id, model_version),
                document_id=document.document_id,
                content_digest=document.content_digest,
                instrument_id=instrument_id,
                relevance=relevance,
                sentiment=sentiment,
                model_version=model_version,
                directory_version=assessment.directory_version,
                source=document.source,
                kind=document.kind,
                published_at=document.published_at,
                updated_at=document.updated_at,
                scored_at=now,
            )
            for instrument_id, relevance, sentiment in (
                (WHOLE, None, assessment.sentiment),
                *((instrument_id, a.relevance, a.sentiment) for instrument_id, a in assessment.instruments.items()),
            )
        ]

    def _mention_rows(self, item: Item) -> list[tuple[object, ...]]:
        if item.revision is None or item.assessment is None:
            return []
        return [
            (
                *(*item.revision, m.span.start, m.span.end, m.text, m.type, m.instrument_id, m.matched_by),
                *(item.assessment.directory_version, relevance),
                *((s.negative, s.neutral, s.positive) if s is not None else (None, None, None)),
            )
            for m, relevance, s in item.assessment.mentions
        ]


def _to_be_stored(item: Item) -> str | None:
    """The document whose text the item would bring into the database, as far as can be told."""
    if item.erased:
        return None
    if item.dead_letter is not None:
        with suppress(InvalidDocument):
            return named_document(json_object(item.message.value))
        return None
    return item.document.document_id if item.document is not None and item.is_new else None


def _dead_letter_row(item: Item, now: datetime) -> Row:
    """In the order of the columns of `batches.insert_dead_letters`; of an erased document only the reason is kept."""
    message, dead_letter = item.message, item.dead_letter
    assert dead_letter is not None
    if item.erased:
        return (*message.position, dead_letter.reason, "", None, None, now, now)
    return (*message.position, dead_letter.reason, dead_letter.detail, message.key, message.value, now, None)


def _revision_row(item: Item, lane: Lane, now: datetime) -> Row:
    """In the order of the columns of `batches.insert_revisions`."""
    d = item.document
    if d is not None and item.assessment is not None:
        a = item.assessment
        return (
            *(d.document_id, d.content_digest, False, d.source, d.source_id, d.kind, d.url, d.title, d.body, d.author),
            *(a.language or d.language, d.published_at, d.updated_at, now, a.unscored_reason),
            None if a.unscored_reason else a.truncated,
            lane,
        )
    r = item.retraction
    assert r is not None
    nothing = (None,) * 6
    times = None, r.updated_at, now
    return (r.document_id, r.content_digest, True, r.source, *nothing, None, *times, None, None, lane)


def _receipt_row(item: Item, accepted: bool, batch_id: str, now: datetime) -> tuple[object, ...]:
    """All of it but the latency."""
    if item.dead_letter is not None:
        return (*item.message.position, item.digest, "dead_letter", None, None, item.dead_letter.reason, batch_id, now)
    assert item.revision is not None
    outcome = "accepted" if accepted else "erased" if item.erased else "duplicate"
    return (*item.message.position, item.digest, outcome, *item.revision, None, batch_id, now)


def _log_committed(batch_id: str, emissions: Emissions, accepted: list[str], messages: int) -> None:
    log = _log.bind(batch_id=batch_id)
    log.info("committed", messages=messages, accepted=len(accepted), dead_letters=len(emissions.dead_letters))
    log.debug("accepted", document_ids=accepted)
    for message, dead_letter in emissions.dead_letters:
        where = {"topic": message.topic, "partition": message.partition, "offset": message.offset}
        log.info("dead letter", **where, reason=dead_letter.reason, detail=dead_letter.detail)
