"""Entries → messages on the documents topic: those that are new, and those that have changed since."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.domain.wire import wire_schema
from stream_worker.errors import FeedProblem
from stream_worker.ingest.feeds.entries import Entry, other_identity
from stream_worker.ingest.feeds.problems import Reason
from stream_worker.ingest.publisher import Publisher
from stream_worker.storage.feeds import Published, forget_oldest, known_entries, remember

#: Remembered of each feed: at least as many as FINSENTRY_FEEDS_MAX_ENTRIES may allow it to have at once.
ENTRIES_KEPT = 20_000
#: Entries that are published and noted together; what a crash repeats at most.
_CHUNK = 500
_LEAST_STEP = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Revision:
    """A message, its Kafka key, and what is to be remembered of it."""

    value: bytes
    key: bytes | None
    published: Published


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a feed's entries. `too_large`: over the topic's limit for a message."""

    published: int = 0
    unchanged: int = 0
    too_large: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            self.published + other.published, self.unchanged + other.unchanged, self.too_large + other.too_large
        )


def revision_of(entry: Entry, known: Published | None, now: datetime) -> Revision | None:
    """The message of an entry; None where it says the same words as what is known of it.

    What is changed is published as a correction: under the time at which it was published first, however its feed has
    moved that since, and with an `updated_at` that is later than every one before: the feed's own, or `now`, when the
    change was seen. Other times with the same words are no correction: some feeds date everything anew each time.
    """
    if known is None:
        return _revision(entry, entry.published_at, entry.updated_at)
    if known.text_digest == entry.text_digest:
        return None
    said = entry.updated_at or entry.published_at
    updated_at = said if said > known.changed_at else max(now, known.changed_at + _LEAST_STEP)
    return _revision(entry, known.published_at, updated_at)


def as_known(entries: Sequence[Entry], known: Mapping[bytes, Published]) -> list[Entry]:
    """Each entry under the identity under which it was published, whether others share its id by now, or no longer do.

    Of those that share an id, the one that is known under it has the words or the time of publication of then.
    """
    taken = {entry.key for entry in entries}
    settled = []
    for entry in entries:
        other = other_identity(entry)
        if other is not None and other.key not in taken and _was_published_as(other, entry, known):
            taken.add(other.key)
            settled.append(other)
        else:
            settled.append(entry)
    return settled


def _was_published_as(other: Entry, entry: Entry, known: Mapping[bytes, Published]) -> bool:
    before = known.get(other.key)
    if before is None:
        return False
    if entry.shared_id is None:
        # What is known by its link shared its id then, or had none.
        return True
    is_same = before.text_digest == entry.text_digest or before.published_at == entry.published_at
    return is_same and entry.key not in known


class EntryPublisher:
    """Publishes what the database does not know yet, and lets it know when Kafka has acknowledged it.

    A crash in between publishes the same again, which the worker finds to be duplicates; only a correction that its
    feed does not date is dated when it is seen again, and becomes one more revision with the same words.
    """

    def __init__(self, engine: AsyncEngine, publisher: Publisher) -> None:
        self._engine = engine
        self._publisher = publisher
        #: The publisher's counts must tell whose message was refused.
        self._turn = asyncio.Lock()

    async def publish(self, feed: str, entries: Sequence[Entry], now: datetime) -> Outcome:
        """Waits for as long as Kafka is away. Raises FeedProblem where it refuses a message of the feed."""
        outcome = Outcome()
        entries = await self._as_known(feed, entries)
        for start in range(0, len(entries), _CHUNK):
            outcome += await self._publish_chunk(feed, entries[start : start + _CHUNK], now)
        async with self._engine.begin() as connection:
            await forget_oldest(connection, feed, ENTRIES_KEPT)
        return outcome

    async def _as_known(self, feed: str, entries: Sequence[Entry]) -> list[Entry]:
        others = [other for entry in entries if (other := other_identity(entry)) is not None]
        async with self._engine.connect() as connection:
            known = await known_entries(connection, feed, [entry.key for entry in (*entries, *others)])
        return as_known(entries, known)

    async def _publish_chunk(self, feed: str, entries: Sequence[Entry], now: datetime) -> Outcome:
        async with self._engine.connect() as connection:
            known = await known_entries(connection, feed, [entry.key for entry in entries])
        revisions = {entry.key: revision_of(entry, known.get(entry.key), now) for entry in entries}
        changed = {key: revision for key, revision in revisions.items() if revision is not None}
        acknowledged = await self._acknowledged(changed)
        async with self._engine.begin() as connection:
            await remember(connection, feed, known | acknowledged)
        return Outcome(len(acknowledged), len(entries) - len(changed), len(changed) - len(acknowledged))

    async def _acknowledged(self, revisions: Mapping[bytes, Revision]) -> dict[bytes, Published]:
        """Publish; returns those that Kafka has taken, all but those that are too large."""
        async with self._turn:
            refused = self._publisher.delivery.refused
            taken = {
                key: revision.published
                for key, revision in revisions.items()
                if await self._publisher.publish(revision.value, revision.key)
            }
            await self._publisher.flush()
            if self._publisher.delivery.refused > refused:
                raise FeedProblem(
                    Reason.KAFKA_REFUSED, "Kafka refuses a message that was made of it (the log says why)"
                )
        return taken


def _revision(entry: Entry, published_at: datetime, updated_at: datetime | None) -> Revision:
    times = {"published_at": published_at.isoformat()}
    if updated_at is not None:
        times["updated_at"] = updated_at.isoformat()
    name = entry.fields.get("id") or entry.fields.get("url")
    return Revision(
        wire_schema("document").encode({**entry.fields, **times}),
        name.encode() if name else None,
        Published(entry.text_digest, published_at, updated_at or published_at),
    )
