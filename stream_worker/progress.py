"""What a service is at: when it last got on with something, and what it waits for."""

import time
from collections.abc import Callable, Mapping


class Progress:
    """One for each service. Its work calls `moved` at every step; its health checks read the rest.

    Finding a server away and waiting for it is a step as well: a service that waits is alive.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._moved_at = monotonic()
        self._work_seen_at: float | None = None
        self._waits: dict[str, str] = {}

    @property
    def waits(self) -> Mapping[str, str]:
        """What is being tried again at the moment, and why the last try failed."""
        return self._waits

    def moved(self) -> None:
        """A step is done."""
        self._moved_at = self._monotonic()

    def waits_for(self, what: str, why: str) -> None:
        """A try has failed and will be made again."""
        self._waits[what] = why
        self.moved()

    def waits_no_more(self, what: str) -> None:
        """It succeeded, or was given up."""
        self._waits.pop(what, None)
        self.moved()

    def idle_seconds(self) -> float:
        """Since the last step, whether or not there was anything to do."""
        return self._monotonic() - self._moved_at

    def stalled_seconds(self, *, has_work: bool) -> float:
        """Since when, as far as these calls have seen, there has been work without a step. 0 without work."""
        if not has_work:
            self._work_seen_at = None
            return 0.0
        now = self._monotonic()
        self._work_seen_at = max(now if self._work_seen_at is None else self._work_seen_at, self._moved_at)
        return now - self._work_seen_at
