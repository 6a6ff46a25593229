"""The clock that a file's own documents tell, and moving them in time."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from stream_worker.domain.documents import EARLIEST, time_in
from stream_worker.errors import InvalidDocument
from stream_worker.ingest.due import Due
from stream_worker.ingest.lines import Line


class OriginalClock:
    """Second 0 is `first`, and `speed` seconds of the documents' clock pass in one of ours."""

    def __init__(self, first: datetime, speed: float) -> None:
        self._first = first
        self._speed = speed

    def seconds(self, published_at: datetime) -> float:
        """How long after second 0 something was published, in seconds of our clock."""
        return (published_at - self._first).total_seconds() / self._speed


def first_published_at(lines: Iterable[Line], now: datetime) -> datetime | None:
    """Of the first line that tells; None where no line does."""
    return next((time for line in lines if (time := _published_at(_fields(line.value), now)) is not None), None)


def lines_by_clock(lines: Iterable[Line], clock: OriginalClock, now: datetime) -> Iterator[Due]:
    """Each line when its time has come.

    The clock never goes back: what is older than a line in front of it is due together with that one, and so is what
    tells no time (one that no document may have included: it might hold the others up for years).
    """
    seconds = 0.0
    for line in lines:
        published_at = _published_at(_fields(line.value), now)
        if published_at is not None:
            seconds = max(seconds, clock.seconds(published_at))
        yield Due(seconds, line.value, line.origin)


def rebased(
    messages: Iterable[Due],
    moved: Callable[[datetime], datetime],
    sent_at: Callable[[Due], datetime],
    now: datetime,
) -> Iterator[Due]:
    """The messages with their times moved, and what they moved from; what tells no time is left as it is.

    No `updated_at` lies ahead of `sent_at`, or of its document's own time of publication if that is later: a file has
    its corrections where their document was published, and they would be refused as too far ahead.
    """
    for message in messages:
        fields = _fields(message.value)
        found = {name: _time(fields, name, now) for name in ("published_at", "updated_at")}
        times = {name: moved(time) for name, time in found.items() if time is not None}
        if "updated_at" in times:
            latest = max(sent_at(message), times.get("published_at", EARLIEST))
            times["updated_at"] = _not_after(latest, times["updated_at"])
        yield replace(message, value=_encoded(fields, times)) if times else message


def _not_after(latest: datetime, time: datetime) -> datetime:
    """What is later becomes `latest` and a millionth of the excess, which keeps corrections in their order."""
    return time if time <= latest else latest + (time - latest) / 1_000_000


def _encoded(fields: Mapping[str, Any], times: Mapping[str, datetime]) -> bytes:
    changed = {name: time.isoformat() for name, time in times.items()}
    # What was moved before still is the document that it was first.
    origin = fields.get("rebased_from") or fields.get("published_at")
    return orjson.dumps({**fields, **changed, **({"rebased_from": origin} if "published_at" in times else {})})


def _published_at(fields: Mapping[str, Any], now: datetime) -> datetime | None:
    return _time(fields, "published_at", now)


def _fields(value: bytes | None) -> Mapping[str, Any]:
    """The fields of a document; none of anything else."""
    try:
        fields = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _time(fields: Mapping[str, Any], name: str, now: datetime) -> datetime | None:
    """A time that a document may have."""
    if not isinstance(fields.get(name), str):
        return None
    try:
        return time_in(fields, name, now)
    except InvalidDocument:
        return None
