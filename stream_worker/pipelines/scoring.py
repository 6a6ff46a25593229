"""The scoring stages in order: decode, assess, commit, emit. Free of Faust.

A batch is prepared (which may run beside other batches), then committed in ONE transaction, then emitted; only then may
its messages be acknowledged. Whatever happens in between, doing it all again changes nothing: receipts and revisions
are inserted once, and what is emitted is what committed receipts say.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from stream_worker.domain.documents import Reason, decode, message_digest
from stream_worker.domain.scores import Score, score_id
from stream_worker.errors import InvalidDocument, TooManyDeadLetters, TopicRecreated, Unavailable
from stream_worker.pipelines.assess import Assessor, Text
from stream_worker.pipelines.batch import Batch, DeadLetter, Emissions, Item, Message
from stream_worker.pipelines.emission import Emitter
from stream_worker.retry import until_available
from stream_worker.storage import batches
from stream_worker.storage.batches import Position, Receipt
from stream_worker.storage.engine import is_data_error
from stream_worker.storage.schema import WHOLE

_log = structlog.get_logger(__name__)


class ScoringPipeline:
    """Turns batches of messages into committed, emitted scores. For one event loop.

    Every method goes on trying while a server is away. They raise StopWorker where going on would hide or lose data,
    and whatever else no later try can cure; the batch is then not acknowledged, and read again.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        assessor: Assessor,
        emitter: Emitter,
        *,
        now: Callable[[], datetime],
        code_version: str,
        dead_letter_limit: int,
    ) -> None:
        self._engine = engine
        self._assessor = assessor
        self._emitter = emitter
        self._now = now
        self._code_version = code_version
        self._dead_letter_limit = dead_letter_limit
        self._dead_letter_runs: dict[tuple[str, int], int] = {}
        self._refused_in_a_row = 0

    async def prepare(self, batch_id: str, messages: Sequence[Message]) -> Batch:
        """Decode what is new, and assess the revisions that are not stored yet."""
        return await until_available(lambda: self._prepare(batch_id, messages), "preparing a batch")

    async def commit(self, batch: Batch) -> Emissions:
        """Write the batch in one transaction (or, where a row is refused, in as few as keep the good ones)."""
        await until_available(lambda: self._enforce_limit(batch), "reading receipts")
        return await until_available(lambda: self._commit(batch), "committing a batch")

    def partitions_assigned(self) -> None:
        """Forget what was counted on partitions that other workers may have moved on since."""
        self._dead_letter_runs.clear()

    async def emit(self, emissions: Emissions) -> None:
        """Publish; returns when the broker has acknowledged everything."""
        await until_available(lambda: self._emitter.emit(emissions), "publishing scores")

    async def _prepare(self, batch_id: str, messages: Sequence[Message]) -> Batch:
        received_at = self._now()
        items = [Item(message, message_digest(message.value)) for message in messages]
        async with self._engine.connect() as connection:
            receipts = await batches.receipts_at(connection, [item.message.position for item in items])
            _refuse_other_bytes(items, receipts)
            fresh = [item for item in items if item.message.position not in receipts]
            for item in fresh:
                _decode(item, received_at)
            revisions = {item.revision for item in fresh if item.revision is not None}
            known = await batches.known_revisions(connection, sorted(revisions))
        await self._assess([item for item in fresh if item.revision is not None and item.revision not in known])
        return Batch(batch_id, fresh, redelivered=list(receipts))

    async def _assess(self, items: Sequence[Item]) -> None:
        """Copies in one batch share one assessment: each could become the one that is stored."""
        texts = [Text(item.document.raw_text, item.document.language) for item in items if item.document is not None]
        for item, assessment in zip(items, await self._assessor.assess(texts), strict=True):
            item.assessment = assessment

    async def _enforce_limit(self, batch: Batch) -> None:
        """Raises TooManyDeadLetters before the batch is written, so that its messages stay unacknowledged."""
        limit = self._dead_letter_limit
        if not limit:
            return
        runs = dict(self._dead_letter_runs)
        for item in batch.items:
            topic, partition, _ = item.message.position
            if item.dead_letter is None:
                runs[topic, partition] = 0
                continue
            if (topic, partition) not in runs:
                async with self._engine.connect() as connection:
                    runs[topic, partition] = await batches.trailing_dead_letters(connection, topic, partition, limit)
            runs[topic, partition] += 1
            if runs[topic, partition] >= limit:
                raise TooManyDeadLetters(
                    f"{limit} messages in a row on {topic}/{partition} are bad, the last one: "
                    f"{item.dead_letter.reason} ({item.dead_letter.detail}). Look at the producers; then start with "
                    "FINSENTRY_DEAD_LETTER_LIMIT=0 to dead-letter them all, or a higher limit."
                )
        self._dead_letter_runs = runs

    async def _commit(self, batch: Batch) -> Emissions:
        if batch.commit_tried:
            async with self._engine.connect() as connection:
                raced = await batches.receipts_at(connection, [item.message.position for item in batch.items])
            _refuse_other_bytes(batch.items, raced)
            batch.redelivered += raced
            batch.items = [item for item in batch.items if item.message.position not in raced]
        batch.commit_tried = True
        emissions = await self._write(batch.batch_id, batch.items)
        emissions.extend(await self._emissions_of(batch.redelivered))
        return emissions

    async def _write(self, batch_id: str, items: list[Item]) -> Emissions:
        if not items:
            return Emissions()
        try:
            async with self._engine.begin() as connection:
                emissions, accepted = await self._insert(connection, batch_id, items)
            if accepted:
                self._refused_in_a_row = 0
            _log_committed(batch_id, emissions, accepted, len(items))
            return emissions
        except (DBAPIError, UnicodeEncodeError, OverflowError) as error:
            if not is_data_error(error):
                raise
            if len(items) == 1:
                return await self._bury(batch_id, items[0], error)
        middle = len(items) // 2
        emissions = await self._write(batch_id, items[:middle])
        emissions.extend(await self._write(batch_id, items[middle:]))
        return emissions

    async def _bury(self, batch_id: str, item: Item, error: Exception) -> Emissions:
        """The one message whose row the database refused becomes a dead letter; a second refusal is a bug."""
        if item.dead_letter is not None:
            raise error
        self._refused_in_a_row += 1
        if self._dead_letter_limit and self._refused_in_a_row >= self._dead_letter_limit:
            raise TooManyDeadLetters(
                f"The database refused {self._refused_in_a_row} documents in a row, the last one: {error}. Look at the "
                "database's encoding and constraints; FINSENTRY_DEAD_LETTER_LIMIT=0 dead-letters them all."
            )
        detail = str(getattr(error, "orig", error)).replace("\0", "\\0").encode("utf-8", "replace").decode()
        item.document = item.assessment = None
        item.dead_letter = DeadLetter(Reason.DATABASE_REFUSED, detail[:500])
        return await self._write(batch_id, [item])

    async def _insert(
        self, connection: AsyncConnection, batch_id: str, items: Sequence[Item]
    ) -> tuple[Emissions, list[str]]:
        """Returns what to emit, and the ids of the documents accepted, once the transaction is committed."""
        now = self._now()
        candidates = {item.revision: item for item in reversed(items) if item.assessment is not None}
        inserted = await batches.insert_documents(
            connection,
            [
                (item.document, item.assessment.language, now, item.assessment.unscored_reason)
                for item in candidates.values()
                if item.document is not None and item.assessment is not None
            ],
        )
        accepted = [item for item in items if item.revision in inserted and candidates[item.revision] is item]
        scores = [score for item in accepted for score in self._scores(item, now)]
        await batches.insert_mentions(connection, [row for item in accepted for row in self._mention_rows(item)])
        await batches.insert_scores(connection, scores, self._code_version)
        dead = [(item.message, item.dead_letter) for item in items if item.dead_letter is not None]
        await batches.insert_dead_letters(
            connection, [(*m.position, d.reason, d.detail, m.key, m.value, now) for m, d in dead]
        )
        accepted_positions = {item.message.position for item in accepted}
        receipts = [_receipt_row(item, item.message.position in accepted_positions, batch_id, now) for item in items]
        if len(await batches.insert_receipts(connection, receipts)) < len(receipts):
            raise Unavailable("Another worker holds this partition and has just written the same messages.")
        return Emissions(scores, dead), [item.document.document_id for item in accepted if item.document]

    def _scores(self, item: Item, now: datetime) -> list[Score]:
        document, assessment = item.document, item.assessment
        if document is None or assessment is None or assessment.sentiment is None:
            return []
        revision = (document.document_id, document.content_digest)
        model_version = self._assessor.model_version
        return [
            Score(
                score_id=score_id(revision, instrument_id, model_version),
                document_id=document.document_id,
                content_digest=document.content_digest,
                instrument_id=instrument_id,
                sentiment=sentiment,
                model_version=model_version,
                directory_version=self._assessor.directory_version,
                source=document.source,
                kind=document.kind,
                published_at=document.published_at,
                scored_at=now,
            )
            for instrument_id, sentiment in ((WHOLE, assessment.sentiment), *assessment.instruments.items())
        ]

    def _mention_rows(self, item: Item) -> list[tuple[object, ...]]:
        if item.revision is None or item.assessment is None:
            return []
        directory_version = self._assessor.directory_version
        return [
            (
                *(*item.revision, m.span.start, m.span.end, m.text, m.type, m.instrument_id, m.matched_by),
                directory_version,
                *((s.negative, s.neutral, s.positive) if s is not None else (None, None, None)),
            )
            for m, s in item.assessment.mentions
        ]

    async def _emissions_of(self, positions: Sequence[Position]) -> Emissions:
        """What earlier transactions said of these messages."""
        if not positions:
            return Emissions()
        async with self._engine.connect() as connection:
            receipts = await batches.receipts_at(connection, positions)
            accepted = [r.revision for r in receipts.values() if r.outcome == "accepted" and r.revision is not None]
            dead = [position for position, r in receipts.items() if r.outcome == "dead_letter"]
            scores = await batches.champion_scores(connection, accepted) if accepted else []
            letters = await batches.dead_letters_at(connection, dead)
        return Emissions(scores, [(Message(*row[:5]), DeadLetter(*row[5:])) for row in letters])


def _decode(item: Item, received_at: datetime) -> None:
    try:
        item.document = decode(item.message.value, received_at)
    except InvalidDocument as error:
        item.dead_letter = DeadLetter(error.reason, error.detail)


def _refuse_other_bytes(items: Sequence[Item], receipts: dict[Position, Receipt]) -> None:
    for item in items:
        receipt = receipts.get(item.message.position)
        if receipt is not None and receipt.message_digest != item.digest:
            topic, partition, offset = item.message.position
            raise TopicRecreated(
                f"{topic}/{partition} holds other bytes at offset {offset} than were read there before: the topic was "
                "made anew under the same name. Use a new topic name (FINSENTRY_TOPIC_PREFIX) or a new database."
            )


def _receipt_row(item: Item, accepted: bool, batch_id: str, now: datetime) -> tuple[object, ...]:
    if item.dead_letter is not None:
        return (*item.message.position, item.digest, "dead_letter", None, None, item.dead_letter.reason, batch_id, now)
    assert item.revision is not None
    outcome = "accepted" if accepted else "duplicate"
    return (*item.message.position, item.digest, outcome, *item.revision, None, batch_id, now)


def _log_committed(batch_id: str, emissions: Emissions, accepted: list[str], messages: int) -> None:
    log = _log.bind(batch_id=batch_id)
    log.info("committed", messages=messages, accepted=len(accepted), dead_letters=len(emissions.dead_letters))
    log.debug("accepted", document_ids=accepted)
    for message, dead_letter in emissions.dead_letters:
        where = {"topic": message.topic, "partition": message.partition, "offset": message.offset}
        log.info("dead letter", **where, reason=dead_letter.reason, detail=dead_letter.detail)
