"""Counts what becomes of batches, for `/metrics`: once a batch, and a latency a document."""

import time
from collections import Counter
from collections.abc import Sequence

from stream_worker import metrics
from stream_worker.domain.lanes import Lane
from stream_worker.domain.refusals import Reason
from stream_worker.pipelines.batch import Emissions, Item, Message

_OUTCOMES = ("accepted", "duplicate", "erased", "dead_letter")


class BatchMeasures:
    """Of one lane. What can be counted is there from the beginning, at zero."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        for outcome in _OUTCOMES:
            metrics.RECEIPTS.labels(lane, outcome)
        for reason in Reason:
            metrics.DEAD_LETTERS.labels(lane, reason)
        self._in_flight = metrics.BATCHES_IN_FLIGHT.labels(lane)
        self._documents = metrics.BATCH_DOCUMENTS.labels(lane)
        self._bytes = metrics.BATCH_BYTES.labels(lane)
        self._latency = metrics.PUBLISH_TO_COMMIT.labels(lane)

    def started(self, messages: Sequence[Message]) -> None:
        """A batch has left."""
        self._in_flight.inc()
        self._documents.observe(len(messages))
        self._bytes.observe(sum(len(message.value or b"") for message in messages))

    def ended(self) -> None:
        """It is acknowledged, or abandoned."""
        self._in_flight.dec()

    def committed(self, messages: Sequence[Message]) -> None:
        """Its messages are in Postgres now."""
        now = time.time()
        observe = self._latency.observe
        for message in messages:
            if (seconds := message.under_way_seconds(now)) is not None:
                observe(seconds)

    def written(self, items: Sequence[Item], emissions: Emissions, accepted: Sequence[str]) -> None:
        """One transaction wrote receipts for these items, and accepted the revisions of these documents."""
        new = set(accepted)
        dead, erased = len(emissions.dead_letters), sum(item.erased for item in items)
        numbers = (len(accepted), len(items) - len(accepted) - erased - dead, erased, dead)
        for outcome, number in zip(_OUTCOMES, numbers, strict=True):
            metrics.RECEIPTS.labels(self._lane, outcome).inc(number)
        for reason, number in Counter(dead_letter.reason for _, dead_letter in emissions.dead_letters).items():
            metrics.DEAD_LETTERS.labels(self._lane, reason).inc(number)
        unscored = Counter(
            item.assessment.unscored_reason
            for item in items
            if item.assessment is not None and item.assessment.unscored_reason is not None
            if item.document is not None and item.document.document_id in new
        )
        for reason, number in unscored.items():
            metrics.UNSCORED.labels(reason).inc(number)
