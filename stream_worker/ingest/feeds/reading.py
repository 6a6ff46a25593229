"""A feed's bytes → entries, in a process of its own: what a foreign document does to a parser is bounded there."""

import asyncio
import io
import re
import resource
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import feedparser
from anyio import BrokenWorkerProcess, CapacityLimiter, to_process

from stream_worker.errors import FeedProblem
from stream_worker.ingest.feeds.entries import Entry, Origin, Skipped, entries_of
from stream_worker.ingest.feeds.markup import text_of, utf8_xml
from stream_worker.ingest.feeds.problems import Reason

#: Processes. More would not help: the machine's other work goes on.
_AT_ONCE = 2

_ENTRY = re.compile(rb"<(?:[\w.-]+:)?(?:item|entry)[\s/>]", re.IGNORECASE)
_ROOT_END = re.compile(rb"</(?:[\w.-]+:)?(?:rss|feed|rdf)\s*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a feed's document says. `malformed` says what is wrong with XML of which entries could still be read."""

    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...]
    malformed: str | None


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """Of one document: entries, and what reading it may take. 10,000 entries take about 2 s and 100 MB."""

    max_entries: int
    seconds: float = 30.0
    memory_bytes: int = 1 << 30


class Reader:
    """Reads documents in child processes, a few at a time. A process that takes too long or too much is killed."""

    def __init__(self, limits: ReadingLimits) -> None:
        self._limits = limits
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._processes = CapacityLimiter(_AT_ONCE)

    async def read(self, body: bytes, charset: str | None, url: str, origin: Origin, now: datetime) -> Reading:
        """The entries of a document that came from `url`. Raises FeedProblem."""
        work = partial(_read_within_limits, body, charset, url, origin, now, self._limits)
        async with self._turns:  # Waiting for a process is not the document's fault, and not counted.
            try:
                async with asyncio.timeout(self._limits.seconds):
                    return await to_process.run_sync(work, cancellable=True, limiter=self._processes)
            except TimeoutError:
                raise FeedProblem(Reason.TOO_COSTLY, f"reading it took more than {self._limits.seconds:g} s") from None
            except (BrokenWorkerProcess, MemoryError):
                detail = f"reading it ended its process, or took more than {self._limits.memory_bytes >> 20} MiB"
                raise FeedProblem(Reason.TOO_COSTLY, detail) from None


def read(body: bytes, charset: str | None, url: str, origin: Origin, now: datetime, max_entries: int) -> Reading:
    """The entries of a document that came from `url`. Raises FeedProblem."""
    data = utf8_xml(text_of(body, charset))
    count = len(_ENTRY.findall(data))
    if count > max_entries:
        raise FeedProblem(Reason.TOO_MANY_ENTRIES, f"{count} entries; FINSENTRY_FEEDS_MAX_ENTRIES is {max_entries}")
    found = _parse(data, url)
    if not found.version:
        raise FeedProblem(Reason.NOT_A_FEED, "it is XML, but neither RSS nor Atom")
    malformed = str(found.bozo_exception) if found.bozo else None
    if malformed and not _ROOT_END.search(data):
        raise FeedProblem(Reason.TRUNCATED, "its end is missing")
    # Plain dicts: feedparser's own answer for keys that are not there.
    entries, skipped = entries_of([dict(entry) for entry in found.entries], found.feed.get("language"), origin, now)
    return Reading(tuple(entries), tuple(skipped), malformed)


def _parse(data: bytes, url: str) -> feedparser.FeedParserDict:
    """feedparser's view; the type and encoding of the data are settled, and its HTML is left as it is."""
    headers = {"content-type": "application/xml; charset=utf-8", "content-location": url}
    try:
        return feedparser.parse(
            io.BytesIO(data), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever breaks the parser is the document's fault
        raise FeedProblem(Reason.NOT_A_FEED, f"it cannot be parsed ({type(error).__name__})") from None


def _read_within_limits(
    body: bytes, charset: str | None, url: str, origin: Origin, now: datetime, limits: ReadingLimits
) -> Reading:
    """`read`, in a child process that may not take all of the machine's memory."""
    _, highest = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, highest))
    return read(body, charset, url, origin, now, limits.max_entries)
