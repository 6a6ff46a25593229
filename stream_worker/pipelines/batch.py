"""A batch of Kafka messages on its way through the scoring pipeline."""

from dataclasses import dataclass, field

from stream_worker.domain.documents import Document
from stream_worker.domain.scores import Revision, Score
from stream_worker.pipelines.assess import Assessment
from stream_worker.storage.batches import Position


@dataclass(frozen=True, slots=True)
class Message:
    """A Kafka message as it came."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None

    @property
    def position(self) -> Position:
        """What identifies the message."""
        return self.topic, self.partition, self.offset


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Why a message could not become a document."""

    reason: str
    detail: str


@dataclass(slots=True)
class Item:
    """One message of a batch: a document (with its assessment where its content is new), or a dead letter."""

    message: Message
    digest: bytes
    document: Document | None = None
    assessment: Assessment | None = None
    dead_letter: DeadLetter | None = None

    @property
    def revision(self) -> Revision | None:
        """What identifies the revision in the message."""
        return (self.document.document_id, self.document.content_digest) if self.document else None


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
    dead_letters: list[tuple[Message, DeadLetter]] = field(default_factory=list)

    def extend(self, other: "Emissions") -> None:
        """Add what another part of the batch says."""
        self.scores += other.scores
        self.dead_letters += other.dead_letters
