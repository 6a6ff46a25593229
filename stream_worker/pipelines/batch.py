"""A batch of Kafka messages on its way through the scoring pipeline."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from stream_worker.domain.documents import Document, Retraction, Revision
from stream_worker.domain.scores import Score
from stream_worker.pipelines.assess import Assessment
from stream_worker.storage.batches import Position


@dataclass(frozen=True, slots=True)
class Message:
    """A Kafka message as it came; `kafka_time` is its time there, in seconds since 1970, where that is known."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    kafka_time: float | None = None

    @property
    def position(self) -> Position:
        """What identifies the message."""
        return self.topic, self.partition, self.offset

    def under_way_seconds(self, now: float) -> float | None:
        """How long after it came to Kafka, whose clock may be ahead of ours, it is `now`, in seconds since 1970."""
        return None if self.kafka_time is None else max(0.0, now - self.kafka_time)


def cut(messages: Iterable[Message], limit_bytes: int) -> Iterator[list[Message]]:
    """In order, into batches of so many bytes of values at the most; a message that has more is a batch by itself."""
    batch: list[Message] = []
    batch_bytes = 0
    for message in messages:
        message_bytes = len(message.value or b"")
        if batch and batch_bytes + message_bytes > limit_bytes:
            yield batch
            batch, batch_bytes = [], 0
        batch.append(message)
        batch_bytes += message_bytes
    if batch:
        yield batch


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Why a message could not become a document."""

    reason: str
    detail: str


@dataclass(slots=True)
class Item:
    """One message of a batch: a document (with its assessment where its content is new), a retraction, or a dead
    letter. `erased`: its document was erased, nothing of the message may be stored but its receipt."""

    message: Message
    digest: bytes
    document: Document | None = None
    retraction: Retraction | None = None
    assessment: Assessment | None = None
    dead_letter: DeadLetter | None = None
    erased: bool = False

    @property
    def revision(self) -> Revision | None:
        """What identifies the revision in the message."""
        content = self.document or self.retraction
        return content.revision if content is not None else None

    @property
    def is_new(self) -> bool:
        """Whether the revision has to be inserted, as far as is known."""
        return not self.erased and (self.assessment is not None or self.retraction is not None)


@dataclass(slots=True)
class Batch:
    """Messages that are committed together, and acknowledged together."""

    batch_id: str
    items: list[Item]
    redelivered: list[Position] = field(default_factory=list)
    #: Whether it was sent to the database: then it may be committed although no answer came.
    commit_tried: bool = False


@dataclass(slots=True)
class Emissions:
    """What committed receipts say, to be sent to Kafka before the batch is acknowledged."""

    scores: list[Score] = field(default_factory=list)
    retractions: list[Retraction] = field(default_factory=list)
    dead_letters: list[tuple[Message, DeadLetter]] = field(default_factory=list)

    def extend(self, other: "Emissions") -> None:
        """Add what another part of the batch says."""
        self.scores += other.scores
        self.retractions += other.retractions
        self.dead_letters += other.dead_letters
