"""Spans of time that a trend is shown over, and points of a minute put together into longer ones."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from stream_worker.storage.views import TrendPoint

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Range:
    """How far back a trend goes, and how long each of its points is."""

    name: str
    span: timedelta
    bin_length: timedelta


LIVE_RANGES = (
    Range("30 min", timedelta(minutes=30), timedelta(minutes=1)),
    Range("1 h", timedelta(hours=1), timedelta(minutes=1)),
    Range("6 h", timedelta(hours=6), timedelta(minutes=5)),
    Range("24 h", timedelta(hours=24), timedelta(minutes=15)),
)
HISTORY_RANGES = (
    *LIVE_RANGES,
    Range("7 d", timedelta(days=7), timedelta(hours=2)),
    Range("30 d", timedelta(days=30), timedelta(hours=6)),
)


def named(ranges: Iterable[Range], name: str | None) -> Range | None:
    """The range of that name."""
    return next((candidate for candidate in ranges if candidate.name == name), None)


def fitting(ranges: Sequence[Range], earliest: datetime | None, now: datetime) -> Range:
    """The shortest range that shows everything since `earliest`; the longest where none does."""
    if earliest is None:
        return ranges[0]
    return next((candidate for candidate in ranges if now - earliest <= candidate.span), ranges[-1])


def bins(since: datetime, until: datetime, bin_length: timedelta) -> list[datetime]:
    """The starts of all spans of `bin_length`, aligned to midnight UTC, from the one of `since` to that of `until`."""
    first, last = _bin_start(since, bin_length), _bin_start(until, bin_length)
    return [first + number * bin_length for number in range((last - first) // bin_length + 1)]


def binned(points: Iterable[TrendPoint], since: datetime, until: datetime, bin_length: timedelta) -> list[TrendPoint]:
    """Points later than `since` and not after `until`, put together into points of `bin_length` aligned to midnight
    UTC. Polarity is the mean over documents."""
    joined: dict[datetime, tuple[int, float]] = {}
    for point in points:
        if since < point.start <= until:
            start = _bin_start(point.start, bin_length)
            documents, total = joined.get(start, (0, 0.0))
            joined[start] = (documents + point.documents, total + point.documents * point.polarity)
    return [TrendPoint(start, documents, total / documents) for start, (documents, total) in sorted(joined.items())]


def _bin_start(time: datetime, bin_length: timedelta) -> datetime:
    return _EPOCH + (time - _EPOCH) // bin_length * bin_length


def smoothed(points: Sequence[TrendPoint | None], span: int) -> list[float | None]:
    """At each of consecutive spans of time, the mean polarity over the documents of the last `span` of them.

    None where nothing was published in any of these: a line through it would tell of what was not.
    """
    means: list[float | None] = []
    for index in range(len(points)):
        recent = [point for point in points[max(0, index - span + 1) : index + 1] if point is not None]
        documents = sum(point.documents for point in recent)
        total = math.fsum(point.documents * point.polarity for point in recent)
        means.append(total / documents if documents else None)
    return means
