"""When the next message is due: a schedule of seconds, on a clock that stands still while Kafka takes nothing."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: So far behind its schedule a replay catches up; what is more is an outage, and it goes on where it stood.
CATCH_UP_SECONDS = 1.0


def _now() -> datetime:
    return datetime.now(UTC)


class Pace:
    """A schedule whose second 0 is now. `catch_up_seconds` may be infinite: then the clock never stands still."""

    def __init__(
        self,
        catch_up_seconds: float = CATCH_UP_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._catch_up_seconds = catch_up_seconds
        self._monotonic = monotonic
        self._now = now
        self.begin_at(0.0)

    def begin_at(self, seconds: float) -> None:
        """It is that second of the schedule now."""
        self._zero = self._monotonic() - seconds
        self._time_of_zero = self._now() - timedelta(seconds=seconds)

    async def until(self, seconds: float) -> None:
        """Wait until that second of the schedule."""
        wait_seconds = self._zero + seconds - self._monotonic()
        if wait_seconds > 0:
            await asyncio.sleep(wait_seconds)

    def taken(self, seconds: float) -> None:
        """Kafka has just taken what was due at that second; what follows is due later by how long Kafka was away."""
        late_seconds = self._monotonic() - self._zero - seconds
        if late_seconds > self._catch_up_seconds:
            self._zero += late_seconds
            self._time_of_zero += timedelta(seconds=late_seconds)

    def time_of(self, seconds: float) -> datetime:
        """The time of day at that second."""
        return self._time_of_zero + timedelta(seconds=seconds)
