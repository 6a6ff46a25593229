"""Each feed of the file fetched and read once, with nothing published and nothing noted."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from stream_worker.errors import FeedProblem
from stream_worker.ingest.feeds.config import Feed
from stream_worker.ingest.feeds.entries import Origin
from stream_worker.ingest.feeds.fetching import Fetcher, Validators
from stream_worker.ingest.feeds.problems import blamed_on_the_feed
from stream_worker.ingest.feeds.reading import Reader


@dataclass(frozen=True, slots=True)
class FeedCheck:
    """What one look at a feed found. `problem` is None where it could be fetched and read; `newest` is the time of its
    newest entry; `skipped` counts the entries that cannot be documents by reason."""

    feed: str
    problem: str | None
    detail: str | None = None
    entries: int = 0
    newest: datetime | None = None
    skipped: Mapping[str, int] | None = None
    malformed: str | None = None
    moved_to: str | None = None

    @property
    def holds(self) -> bool:
        """Whether documents come out of it, or could if it had entries."""
        return self.problem is None and (self.entries > 0 or not self.skipped)


async def check_feeds(feeds: Sequence[Feed], fetcher: Fetcher, reader: Reader, at_once: int) -> list[FeedCheck]:
    """A look at each feed, in the order of the file."""
    turns = asyncio.Semaphore(at_once)

    async def check(feed: Feed) -> FeedCheck:
        async with turns:
            return await _check(feed, fetcher, reader)

    return await asyncio.gather(*map(check, feeds))


async def _check(feed: Feed, fetcher: Fetcher, reader: Reader) -> FeedCheck:
    try:
        with blamed_on_the_feed(feed.name):
            fetched = await fetcher.fetch(feed.address, Validators())
            assert fetched.body is not None  # Nothing was said to be known.
            origin = Origin(feed.source, feed.kind, feed.lang)
            reading = await reader.read(fetched.body, fetched.charset, fetched.url, origin, datetime.now(UTC))
    except FeedProblem as problem:
        return FeedCheck(feed.name, problem.reason, problem.detail)
    return FeedCheck(
        feed.name,
        None,
        entries=len(reading.entries),
        newest=max((entry.published_at for entry in reading.entries), default=None),
        skipped=dict(Counter(skipped.reason for skipped in reading.skipped)),
        malformed=reading.malformed,
        moved_to=fetched.moved_to,
    )
