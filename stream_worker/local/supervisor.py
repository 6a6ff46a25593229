"""Keeps processes running: one that dies is started again after a pause that grows while it keeps dying; one that runs
but does no work is ended, and then started again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from stream_worker.errors import FinsentryError
from stream_worker.local.identity import ProcessIdentity
from stream_worker.local.process import EXIT_CONFIGURATION, ChildProcess, exit_reason
from stream_worker.local.server import Progress
from stream_worker.local.state import Condition, ProcessRecord

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
#: Having run so long, a process starts with the first pause again.
HEALTHY_SECONDS = 60.0


class Supervisable(Protocol):
    """A server of the stack or a command of ours."""

    name: str
    title: str
    #: Whether it can take up its work again where it stood.
    restartable: bool
    #: Where it answers over HTTP, if it does.
    url: str | None

    @property
    def process(self) -> ChildProcess:
        """The child process."""

    def spawn(self) -> None:
        """Start it without waiting."""

    def ailment(self) -> str | None:
        """Why it does no work although it runs, in words; None where it does, or where nobody can tell.

        Called at every check; must not block.
        """

    def stop(self) -> None:
        """End it and wait for its end."""


@dataclass
class _Watched:
    what: Supervisable
    spawned_at: float
    condition: Condition = Condition.RUNNING
    restarts: int = 0
    pause_seconds: float = FIRST_PAUSE_SECONDS
    due_at: float = 0.0


class Supervisor:
    """`monotonic` tells the seconds; `say` gets a sentence for each event; `on_change` follows each change."""

    def __init__(self, monotonic: Callable[[], float], say: Progress, on_change: Callable[[], None]) -> None:
        self._monotonic = monotonic
        self._say = say
        self._on_change = on_change
        self._watched: list[_Watched] = []

    def watch(self, what: Supervisable) -> None:
        """Take on a process that was just spawned."""
        self._watched.append(_Watched(what, self._monotonic()))
        self._on_change()

    def check(self) -> None:
        """Look at each process once, and start those whose pause is over.

        Raises ServerFailed when one that cannot be restarted has died.
        """
        for watched in self._watched:
            if watched.condition is Condition.RUNNING:
                self._look_at(watched)
            elif watched.condition is Condition.WAITING and self._monotonic() >= watched.due_at:
                self._start_again(watched)

    def stop_all(self) -> None:
        """End everything in reverse order."""
        for watched in reversed(self._watched):
            if watched.what.process.running():
                self._say(f"stopping {watched.what.title}")
            watched.what.stop()

    def records(self) -> dict[str, ProcessRecord]:
        """What there is to know, by name."""
        return {watched.what.name: _record(watched) for watched in self._watched}

    @property
    def watched(self) -> Sequence[Supervisable]:
        """In the order in which they were started."""
        return [watched.what for watched in self._watched]

    def _look_at(self, watched: _Watched) -> None:
        process = watched.what.process
        if process.running() and (ailment := watched.what.ailment()) is not None:
            self._say(f"{watched.what.title} runs but does not work, ending it: {ailment}")
            process.kill()
        code = process.exit_code()
        if code is None:
            return
        title, words = watched.what.title, process.last_words() if code >= 0 else ""
        if code == EXIT_CONFIGURATION:
            watched.condition = Condition.FAILED
            self._say(f"{title} stopped, and is not started again before a person acts: {words}")
        elif code == 0 and process.program.has_an_end:
            watched.condition = Condition.FINISHED
            self._say(f"{title} has finished")
        elif not watched.what.restartable:
            raise process.failure()
        else:
            self._pause(watched, f"{title} ended with {exit_reason(code)}{f' ({words})' if words else ''}")
        self._on_change()

    def _start_again(self, watched: _Watched) -> None:
        try:
            watched.what.spawn()
        except FinsentryError as error:
            self._pause(watched, f"{watched.what.title} cannot be started: {error}")
            return
        watched.condition = Condition.RUNNING
        watched.spawned_at = self._monotonic()
        watched.restarts += 1
        self._on_change()

    def _pause(self, watched: _Watched, reason: str) -> None:
        now = self._monotonic()
        if now - watched.spawned_at >= HEALTHY_SECONDS and watched.condition is Condition.RUNNING:
            watched.pause_seconds = FIRST_PAUSE_SECONDS
        self._say(f"{reason}; starting it again in {watched.pause_seconds:g} s")
        watched.condition = Condition.WAITING
        watched.due_at = now + watched.pause_seconds
        watched.pause_seconds = min(watched.pause_seconds * 2, LONGEST_PAUSE_SECONDS)


def _record(watched: _Watched) -> ProcessRecord:
    process = watched.what.process
    identity = ProcessIdentity.of(process.pid) if process.running() else None
    return ProcessRecord(identity, watched.condition, watched.restarts, str(process.log), watched.what.url)
