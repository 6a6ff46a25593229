"""One turn of one feed: fetch, read, publish what is new, note how it went."""

import random
from collections import Counter
from datetime import UTC, datetime
from hashlib import blake2b

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker import metrics
from stream_worker.errors import FeedProblem
from stream_worker.ingest.feeds.config import Feed
from stream_worker.ingest.feeds.entries import Origin
from stream_worker.ingest.feeds.fetching import Fetched, Fetcher, Validators
from stream_worker.ingest.feeds.problems import Reason, blamed_on_the_feed
from stream_worker.ingest.feeds.publishing import EntryPublisher, Outcome
from stream_worker.ingest.feeds.reading import Reader, Reading
from stream_worker.storage import feeds as storage

_LONGEST_PAUSE_SECONDS = 6 * 3600.0
#: Of a pause: feeds that began together drift apart.
_JITTER = 0.1
_EXAMPLES = 3

_log = structlog.get_logger(__name__)


def pause_seconds(interval_seconds: float, failures: int, retry_after_seconds: float | None, chance: float) -> float:
    """How long a feed is left alone: its interval, doubled with each failure in a row up to 6 hours, and at least as
    long as its server has asked for. `chance`, from 0 to 1, spreads it by a tenth in both directions."""
    doubled = interval_seconds * 2.0 ** min(max(failures - 1, 0), 30)
    pause = min(doubled, max(_LONGEST_PAUSE_SECONDS, interval_seconds)) * (1 - _JITTER + 2 * _JITTER * chance)
    return max(pause, retry_after_seconds or 0.0)


class Poller:
    """Polls feeds for a process that has claimed them."""

    def __init__(
        self, process: str, engine: AsyncEngine, fetcher: Fetcher, reader: Reader, publisher: EntryPublisher
    ) -> None:
        self.process = process
        self._engine = engine
        self._fetcher = fetcher
        self._reader = reader
        self._publisher = publisher

    async def poll(self, feed: Feed, claim: storage.Claim) -> None:
        """Take one turn; what is wrong with the feed is noted and costs the feed a pause. Raises what Postgres does."""
        try:
            with blamed_on_the_feed(feed.name), metrics.FEED_FETCH_SECONDS.time():
                fetched = await self._fetcher.fetch(feed.address, Validators(claim.etag, claim.last_modified))
            digest = claim.body_digest
            if fetched.body is not None:
                digest = blake2b(fetched.body, digest_size=16).digest()
            is_new = digest != claim.body_digest
            is_final = not is_new or await self._take_in(feed, fetched)
        except FeedProblem as problem:
            await self._note_failure(feed, claim.failures + 1, problem)
            return
        metrics.FEED_FETCHES.labels(feed.name, "new" if is_new else "unchanged").inc()
        if fetched.moved_to is not None:
            _log.warning("feed has moved for good: change its url", feed=feed.name, moved_to=fetched.moved_to)
        version = storage.Version(fetched.validators.etag, fetched.validators.last_modified, digest)
        pause = pause_seconds(feed.interval_seconds, 0, None, random.random())
        async with self._engine.begin() as connection:
            await storage.succeeded(
                connection, self.process, feed.name, version if is_final else storage.UNKNOWN, fetched.moved_to, pause
            )

    async def _take_in(self, feed: Feed, fetched: Fetched) -> bool:
        """Publish what is new. Whether the document need not be read again while it is the same. Raises FeedProblem."""
        assert fetched.body is not None
        now = datetime.now(UTC)
        origin = Origin(feed.source, feed.kind, feed.lang)
        with blamed_on_the_feed(feed.name):
            reading = await self._reader.read(fetched.body, fetched.charset, fetched.url, origin, now)
        outcome = await self._publisher.publish(feed.name, reading.entries, now)
        _tell_what_was_found(feed, reading, outcome)
        # An entry whose time has not come yet is looked at again.
        return not any(skipped.early for skipped in reading.skipped)

    async def _note_failure(self, feed: Feed, failures: int, problem: FeedProblem) -> None:
        metrics.FEED_FETCHES.labels(feed.name, problem.reason).inc()
        gone = problem.reason == Reason.GONE
        pause = pause_seconds(feed.interval_seconds, failures, problem.retry_after_seconds, random.random())
        async with self._engine.begin() as connection:
            await storage.failed(connection, self.process, feed.name, str(problem), pause, gone=gone)
        what = "feed is gone and not polled any more" if gone else "feed failed"
        _log.warning(what, feed=feed.name, problem=str(problem), failures=failures, pause_seconds=round(pause))


def _tell_what_was_found(feed: Feed, reading: Reading, outcome: Outcome) -> None:
    _log.info("feed taken in", feed=feed.name, published=outcome.published, unchanged=outcome.unchanged)
    metrics.FEED_ENTRIES.labels(feed.name).inc(outcome.published)
    if reading.malformed:
        _log.warning("feed is malformed XML, its entries were read all the same", feed=feed.name, xml=reading.malformed)
    reasons = Counter(skipped.reason for skipped in reading.skipped)
    if outcome.too_large:
        reasons["too_large"] = outcome.too_large
    if reasons:
        examples = [f"{skipped.entry}: {skipped.detail}" for skipped in reading.skipped[:_EXAMPLES]]
        _log.warning("entries skipped", feed=feed.name, reasons=dict(reasons), examples=examples)
    for reason, number in reasons.items():
        metrics.FEED_ENTRIES_SKIPPED.labels(feed.name, reason).inc(number)
