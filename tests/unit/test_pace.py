"""Schedules, on clocks that the tests turn."""

import asyncio
import math
from datetime import UTC, datetime, timedelta

from stream_worker.ingest.pace import Pace

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Clocks:
    """The time since the start."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def pace(self, catch_up_seconds: float = 1.0) -> Pace:
        return Pace(catch_up_seconds, lambda: self.seconds, lambda: START + timedelta(seconds=self.seconds))


async def _waits(pace: Pace, seconds: float) -> bool:
    try:
        async with asyncio.timeout(0.005):
            await pace.until(seconds)
        return False
    except TimeoutError:
        return True


async def test_what_is_due_is_not_waited_for_and_what_is_not_is() -> None:
    clocks = Clocks()
    pace = clocks.pace()
    assert not await _waits(pace, 0.0)
    assert await _waits(pace, 3.0)
    clocks.seconds = 3.0
    assert not await _waits(pace, 3.0)
    assert pace.time_of(3.0) == START + timedelta(seconds=3)


async def test_a_little_lateness_is_caught_up_with() -> None:
    clocks = Clocks()
    pace = clocks.pace()
    clocks.seconds = 10.9
    pace.taken(10.0)
    assert not await _waits(pace, 10.5)
    assert pace.time_of(11.0) == START + timedelta(seconds=11)


async def test_the_clock_stands_still_while_nothing_is_taken() -> None:
    clocks = Clocks()
    pace = clocks.pace()
    clocks.seconds = 70.0
    pace.taken(10.0)
    assert await _waits(pace, 11.0)
    assert pace.time_of(11.0) == START + timedelta(seconds=71)
    clocks.seconds = 71.0
    assert not await _waits(pace, 11.0)


async def test_a_clock_that_never_stands_still_has_everything_due_at_once_after_an_outage() -> None:
    clocks = Clocks()
    pace = clocks.pace(math.inf)
    clocks.seconds = 70.0
    pace.taken(10.0)
    assert not await _waits(pace, 69.0)


async def test_a_schedule_can_be_begun_in_the_middle() -> None:
    clocks = Clocks()
    pace = clocks.pace()
    clocks.seconds = 5.0
    pace.begin_at(1000.0)
    assert not await _waits(pace, 1000.0)
    assert await _waits(pace, 1001.0)
    assert pace.time_of(1001.0) == START + timedelta(seconds=6)
