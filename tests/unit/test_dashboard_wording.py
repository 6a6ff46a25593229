"""Numbers and times as a reader wants them, and what a page does when reading fails."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from dashboard import wording
from dashboard.guard import read
from stream_worker.errors import Unavailable


@pytest.mark.parametrize(
    ("value", "said"), [(0.421, "+0.42"), (-0.07, "−0.07"), (-0.001, "0.00"), (0.0, "0.00"), (None, "–")]
)
def test_a_polarity_has_two_decimals_and_never_a_negative_zero(value: float | None, said: str) -> None:
    assert wording.polarity(value) == said


def test_times_are_shown_in_utc() -> None:
    time = datetime(2026, 11, 24, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert wording.moment(time) == "2026-11-23 23:30:00 UTC"
    assert wording.time_of_day(time, datetime(2026, 11, 24, tzinfo=UTC)) == "23 Nov 23:30"


@pytest.mark.parametrize(("minutes", "said"), [(1, "min"), (15, "15 min"), (120, "2 h")])
def test_the_length_of_a_span_is_said(minutes: int, said: str) -> None:
    assert wording.duration(timedelta(minutes=minutes)) == said


def test_counts_and_shares_are_readable() -> None:
    assert wording.documents(1) == "1 document"
    assert wording.documents(1234) == "1\N{NARROW NO-BREAK SPACE}234 documents"
    assert (wording.share(1, 3), wording.share(0, 0)) == ("33 %", "–")


def test_what_was_read_last_stays_while_a_server_is_away() -> None:
    memory: dict[Any, Any] = {}

    def away() -> int:
        raise Unavailable("Redis does not answer.")

    assert (read(memory, "x", away).value, read(memory, "x", away).notice) == (None, "Redis does not answer.")
    assert read(memory, "x", lambda: 5).notice is None
    assert read(memory, "x", away).value == 5


def test_a_defect_becomes_one_sentence_that_tells_nothing_of_the_inside() -> None:
    def broken() -> int:
        raise ValueError("secret")

    notice = read({}, "x", broken).notice
    assert notice is not None
    assert "secret" not in notice
