"""A small deployment as the services leave it, put down by hand; `verify_writing` writes it to real servers.

It holds what a checker must not complain about: offsets that the broker deleted, control records and an aborted
transaction, receipts beyond the committed offset, messages not read yet, revisions that were replaced, moved to another
minute or withdrawn, a mention beyond what the model read, a shadow score, and stale windows with a pending mark.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

Probabilities = tuple[float, float, float]

NEGATIVE = (0.7, 0.2, 0.1)
POSITIVE = (0.1, 0.2, 0.7)
NEUTRAL = (0.1, 0.6, 0.3)
TIED = (0.4, 0.2, 0.4)

#: The first offset that partition 0 still holds, and what the group has committed of each partition.
EARLIEST = 2
COMMITTED = {0: 9, 1: 9}
#: What the group of the backfill topic has committed of its only partition.
COMMITTED_HISTORY = 2


def at(clock: str) -> datetime:
    """A time of the day on which all this happens."""
    return datetime.fromisoformat(f"2026-03-02T{clock}").replace(tzinfo=UTC)


@dataclass(frozen=True)
class Revision:
    """A document revision with everything that was said of it: surface → (instrument, sentiment), scores by
    instrument."""

    document_id: str
    version: bytes
    published_at: datetime
    title: str | None = None
    body: str | None = None
    kind: str = "news"
    updated_at: datetime | None = None
    unscored: str | None = None
    mentions: Mapping[str, tuple[str | None, Probabilities | None]] = field(default_factory=dict)
    scores: Mapping[str, Probabilities] = field(default_factory=dict)

    @property
    def content_digest(self) -> bytes:
        """A digest of 16 bytes, in the order of `version`."""
        return self.version.ljust(16, b".")

    @property
    def raw(self) -> str:
        """What mentions count in."""
        return "\n".join(part for part in (self.title, self.body) if part is not None)


APPLE = Revision(
    "apple", b"1", at("10:00:10"), "🍏 Apple soars", "as Nokia cuts outlook, says Jane Doe",
    mentions={"Apple": ("AAPL", POSITIVE), "Nokia": ("NOKIA", NEGATIVE), "Jane Doe": (None, NEUTRAL)},
    scores={"": TIED, "AAPL": POSITIVE, "NOKIA": NEGATIVE},
)  # fmt: skip
COMMENT = Revision(
    "comment", b"1", at("10:00:30"), None, "$NOK to the moon", kind="comment",
    mentions={"$NOK": ("NOKIA", POSITIVE)}, scores={"": POSITIVE, "NOKIA": POSITIVE},
)  # fmt: skip
FINED = Revision(
    "fined", b"1", at("10:00:50"), "Apple fined",
    mentions={"Apple": ("AAPL", NEGATIVE)}, scores={"": NEGATIVE, "AAPL": NEGATIVE},
)  # fmt: skip
FINED_CORRECTED = Revision(
    "fined", b"0", at("10:05:00"), "Google fined", updated_at=at("11:00:00"),
    mentions={"Google": ("GOOG", NEGATIVE)}, scores={"": NEGATIVE, "GOOG": NEGATIVE},
)  # fmt: skip
FOREIGN = Revision("foreign", b"1", at("10:06:00"), "Apfel fällt", unscored="language")
WITHDRAWN = Revision("withdrawn", b"1", at("10:07:00"), "Rates cut", scores={"": POSITIVE})
WITHDRAWN_NOW = Revision(
    "withdrawn", b"2", at("10:07:00"), "Zinsen gesenkt", updated_at=at("10:30:00"), unscored="language"
)
LONG = Revision(
    "long", b"1", at("10:00:55"), "Markets", "quiet " * 50 + "Apple",
    mentions={"Apple": ("AAPL", None)}, scores={"": NEUTRAL},
)  # fmt: skip
PENDING = Revision("pending", b"1", at("10:08:00"), "Oil up", scores={"": POSITIVE})
PENDING_CORRECTED = Revision(
    "pending", b"2", at("10:09:00"), "Oil down", updated_at=at("10:40:00"), scores={"": NEGATIVE}
)
REVISIONS = (
    APPLE, COMMENT, FINED, FINED_CORRECTED, FOREIGN, WITHDRAWN, WITHDRAWN_NOW, LONG, PENDING, PENDING_CORRECTED,
)  # fmt: skip

#: instrument, kind, minute, documents, negative and positive ones, sums of polarity and of its square
WINDOWS = (
    ("", "news", at("10:00"), 2, 1, 0, 0.2, 0.04),
    ("AAPL", "news", at("10:00"), 1, 0, 1, 0.6, 0.36),
    ("NOKIA", "news", at("10:00"), 1, 1, 0, -0.6, 0.36),
    ("", "comment", at("10:00"), 1, 0, 1, 0.6, 0.36),
    ("NOKIA", "comment", at("10:00"), 1, 0, 1, 0.6, 0.36),
    ("", "news", at("10:05"), 1, 1, 0, -0.6, 0.36),
    ("GOOG", "news", at("10:05"), 1, 1, 0, -0.6, 0.36),
    # The monitor has not come to the correction that moved PENDING to another minute.
    ("", "news", at("10:08"), 1, 0, 1, 0.6, 0.36),
)


@dataclass(frozen=True)
class Said:
    """A message and its receipt: `revision` or `reason`, or neither for a message that nobody has read."""

    partition: int
    offset: int
    value: bytes | None
    outcome: str | None = None
    revision: Revision | None = None
    reason: str | None = None


SAID = (
    Said(0, 0, b"lost long ago"),
    Said(0, 1, b"apple", "accepted", APPLE),
    Said(0, 2, b"comment", "accepted", COMMENT),
    Said(0, 3, b"apple", "duplicate", APPLE),
    Said(0, 4, b"{not json", "dead_letter", reason="not_json"),
    Said(0, 5, None, "dead_letter", reason="empty"),
    Said(0, 6, b"fined", "accepted", FINED),
    Said(0, 7, b"fined, corrected", "accepted", FINED_CORRECTED),
    Said(0, 8, b"fined", "duplicate", FINED),
    Said(0, 9, b"pending, corrected", "accepted", PENDING_CORRECTED),
    Said(0, 10, b"not read yet"),
    Said(1, 0, b"foreign", "accepted", FOREIGN),
    Said(1, 1, b"withdrawn", "accepted", WITHDRAWN),
    # 2 is the record that ends a transaction; 3 was aborted, but whoever reads uncommitted messages reads it.
    Said(1, 3, b"withdrawn now", "accepted", WITHDRAWN_NOW),
    Said(1, 5, b"long", "accepted", LONG),
    Said(1, 6, b"pending", "accepted", PENDING),
    Said(1, 7, b"long", "duplicate", LONG),
)
#: The same on partition 0 of the backfill topic.
SAID_BY_HISTORY = (
    Said(0, 0, b"apple", "duplicate", APPLE),
    Said(0, 1, b"[]", "dead_letter", reason="not_an_object"),
    Said(0, 2, b"waiting"),
)
