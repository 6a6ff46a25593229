"""The documents' own clock, and moving them in time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from stream_worker.ingest.due import Due
from stream_worker.ingest.lines import Line
from stream_worker.ingest.original_clock import OriginalClock, first_published_at, lines_by_clock, rebased

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FIRST = datetime(2008, 9, 15, 8, tzinfo=UTC)


def _at(seconds: float, **fields: object) -> bytes:
    return orjson.dumps({"published_at": FIRST + timedelta(seconds=seconds), **fields})


def _lines(*values: bytes | None) -> list[Line]:
    return [Line(Path("file"), number, value, 0) for number, value in enumerate(values, start=1)]


def _due(*values: bytes | None, speed: float = 1.0) -> list[float]:
    return [due.after_seconds for due in lines_by_clock(_lines(*values), OriginalClock(FIRST, speed), NOW)]


def _rebased(value: bytes | None) -> bytes | None:
    (message,) = rebased([Due(0.0, value, "file:1")], lambda time: time + timedelta(days=1), lambda _: NOW, NOW)
    return message.value


def _updated_at(sent_at: datetime, *values: bytes) -> list[datetime]:
    """Where nothing moves but what lies ahead."""
    messages = rebased([Due(0.0, value, "file:1") for value in values], lambda time: time, lambda _: sent_at, NOW)
    return [datetime.fromisoformat(orjson.loads(message.value or b"")["updated_at"]) for message in messages]


def test_gaps_are_divided_by_the_speed() -> None:
    assert _due(_at(0), _at(10), _at(30)) == [0, 10, 30]
    assert _due(_at(0), _at(10), _at(30), speed=20) == [0, 0.5, 1.5]


def test_the_clock_never_goes_back() -> None:
    assert _due(_at(0), _at(30), _at(10), _at(20), _at(40)) == [0, 30, 30, 30, 40]


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"no JSON",
        b"[1]",
        b"{}",
        b'{"published_at": 5}',
        b'{"published_at": "soon"}',
        b'{"published_at": "2008-09-15T08:00:05"}',
        b'{"published_at": "2999-01-01T00:00:00Z"}',
        b'{"published_at": "1066-10-14T00:00:00Z"}',
    ],
)
def test_a_line_without_a_time_that_a_document_may_have_goes_with_the_one_in_front_and_is_never_moved(
    value: bytes | None,
) -> None:
    assert _due(value, _at(0), value, _at(10), value) == [0, 0, 0, 10, 10]
    assert first_published_at(_lines(value, _at(3), _at(1)), NOW) == FIRST + timedelta(seconds=3)
    assert first_published_at(_lines(value), NOW) is None
    assert _rebased(value) == value


def test_moving_changes_the_times_and_says_from_where() -> None:
    value = {"id": "1", "published_at": "2008-09-15T10:00:00+02:00", "updated_at": "2008-09-15T09:00:00Z", "n": [1.5]}
    assert orjson.loads(_rebased(orjson.dumps(value)) or b"") == {
        **value,
        "published_at": "2008-09-16T08:00:00+00:00",
        "updated_at": "2008-09-16T09:00:00+00:00",
        "rebased_from": "2008-09-15T10:00:00+02:00",
    }


def test_what_was_moved_before_still_is_the_document_that_it_was_first() -> None:
    moved = orjson.loads(_rebased(_rebased(_at(0))) or b"")
    assert moved == {"published_at": (FIRST + timedelta(days=2)).isoformat(), "rebased_from": FIRST.isoformat()}


def test_a_retraction_without_a_time_of_publication_moves_only_its_own() -> None:
    moved = orjson.loads(_rebased(b'{"op": "retract", "id": "1", "updated_at": "2008-09-15T08:00:00Z"}') or b"")
    assert moved == {"op": "retract", "id": "1", "updated_at": "2008-09-16T08:00:00+00:00"}


def test_corrections_that_would_lie_ahead_are_dated_just_after_their_line_and_keep_their_order() -> None:
    published, minute = FIRST + timedelta(hours=1), timedelta(minutes=1)
    updates = [
        FIRST + minute,
        published + minute,
        published + timedelta(days=3),
        published + timedelta(days=3, hours=1),
    ]
    corrections = [_at(3600, updated_at=time) for time in updates]
    assert _updated_at(published + 2 * minute, *corrections)[:2] == updates[:2]
    for sent_at in (FIRST, published, published + 2 * minute):
        moved = _updated_at(sent_at, *corrections)
        assert moved == sorted(set(moved))
        assert published < moved[2] < moved[3] < max(sent_at, published) + timedelta(seconds=1)


def test_a_retraction_that_would_lie_ahead_is_dated_just_after_its_line() -> None:
    value = orjson.dumps({"op": "retract", "id": "1", "updated_at": FIRST + timedelta(days=3)})
    (moved,) = _updated_at(FIRST, value)
    assert FIRST < moved < FIRST + timedelta(seconds=1)
