"""The scoring stages in order: decode, assess, commit, emit. Free of Faust.

A batch is prepared (which may run beside other batches), then committed in ONE transaction, then emitted; only then may
its messages be acknowledged. Whatever happens in between, doing it all again changes nothing: receipts and revisions
are inserted once, and what is emitted is what committed receipts say.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.domain.documents import Retraction, decode, message_digest
from stream_worker.domain.lanes import Lane
from stream_worker.errors import InvalidDocument, TooManyDeadLetters, TopicRecreated
from stream_worker.pipelines.assess import Assessor, Text
from stream_worker.pipelines.batch import Batch, DeadLetter, Emissions, Item, Message
from stream_worker.pipelines.emission import Emitter
from stream_worker.pipelines.writing import BatchWriter
from stream_worker.progress import Progress
from stream_worker.retry import until_available
from stream_worker.storage import batches
from stream_worker.storage.batches import Position, Receipt


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
        progress: Progress | None = None,
        lane: Lane = Lane.LIVE,
    ) -> None:
        self._engine = engine
        self._assessor = assessor
        self._emitter = emitter
        self._now = now
        self._writer = BatchWriter(
            engine, assessor, now=now, code_version=code_version, refusal_limit=dead_letter_limit, lane=lane
        )
        self._dead_letter_limit = dead_letter_limit
        self._progress = progress or Progress()
        self._until_available = partial(until_available, progress=self._progress)
        self._dead_letter_runs: dict[tuple[str, int], int] = {}

    async def prepare(self, batch_id: str, messages: Sequence[Message]) -> Batch:
        """Decode what is new, and assess the revisions that are not stored yet."""
        return await self._until_available(lambda: self._prepare(batch_id, messages), "preparing a batch")

    async def commit(self, batch: Batch) -> Emissions:
        """Write the batch in one transaction (or, where a row is refused, in as few as keep the good ones)."""
        await self._until_available(lambda: self._enforce_limit(batch), "reading receipts")
        return await self._until_available(lambda: self._commit(batch), "committing a batch")

    def partitions_assigned(self) -> None:
        """Forget what was counted on partitions that other workers may have moved on since."""
        self._dead_letter_runs.clear()

    async def emit(self, emissions: Emissions) -> None:
        """Publish; returns when the broker has acknowledged everything."""
        await self._until_available(lambda: self._emitter.emit(emissions), "publishing scores")

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
        await self._assess([item for item in fresh if item.document is not None and item.revision not in known])
        return Batch(batch_id, fresh, redelivered=list(receipts))

    async def _assess(self, items: Sequence[Item]) -> None:
        """Copies in one batch share one assessment: each could become the one that is stored."""
        documents = [item.document for item in items if item.document is not None]
        texts = [Text(d.raw_text, d.published_at.date(), d.language, body_start=d.body_start) for d in documents]
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
        emissions = await self._writer.write(batch.batch_id, batch.items)
        emissions.extend(await self._emissions_of(batch.redelivered))
        return emissions

    async def _emissions_of(self, positions: Sequence[Position]) -> Emissions:
        """What earlier transactions said of these messages."""
        if not positions:
            return Emissions()
        async with self._engine.connect() as connection:
            receipts = await batches.receipts_at(connection, positions)
            accepted = [r.revision for r in receipts.values() if r.outcome == "accepted" and r.revision is not None]
            dead = [position for position, r in receipts.items() if r.outcome == "dead_letter"]
            scores = await batches.champion_scores(connection, accepted) if accepted else []
            retractions = await batches.retractions(connection, accepted)
            letters = await batches.dead_letters_at(connection, dead)
        return Emissions(scores, retractions, [(Message(*row[:5]), DeadLetter(*row[5:])) for row in letters])


def _decode(item: Item, received_at: datetime) -> None:
    try:
        content = decode(item.message.value, received_at)
    except InvalidDocument as error:
        item.dead_letter = DeadLetter(error.reason, error.detail)
        return
    if isinstance(content, Retraction):
        item.retraction = content
    else:
        item.document = content


def _refuse_other_bytes(items: Sequence[Item], receipts: dict[Position, Receipt]) -> None:
    for item in items:
        receipt = receipts.get(item.message.position)
        if receipt is not None and receipt.message_digest != item.digest:
            topic, partition, offset = item.message.position
            raise TopicRecreated(
                f"{topic}/{partition} holds other bytes at offset {offset} than were read there before: the topic was "
                "made anew under the same name. Use a new topic name (FINSENTRY_TOPIC_PREFIX) or a new database."
            )
