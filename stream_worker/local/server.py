"""What the four embedded servers have in common."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from stream_worker.errors import ServerFailed
from stream_worker.local.ports import require_free
from stream_worker.local.process import ChildProcess, Program

Progress = Callable[[str], None]

_POLL_SECONDS = 0.05


class Server(ABC):
    """A server as a child process, on fixed ports and with its data under `home/<name>`.

    The same object can be stopped or killed and started again: it comes back on the same ports with the same data.
    """

    #: Name of the folder, of the log file and in `finsentry status`.
    name: str
    #: As people write it.
    title: str
    #: How long it may take until it answers.
    ready_seconds: ClassVar[float] = 60.0
    restartable = True
    url: str | None = None

    def __init__(self, home: Path, ports: dict[str, int]) -> None:
        self.directory = home.resolve() / self.name
        self.ports = ports
        self._process: ChildProcess | None = None
        self._log = home.resolve() / "logs" / f"{self.name}.log"

    @property
    @abstractmethod
    def address(self) -> str:
        """What clients connect to; complete after `prepare`."""

    @abstractmethod
    def prepare(self, progress: Progress) -> None:
        """Everything that is done once (downloads, data directories). Doing it again changes nothing.

        Raises MissingProgramError or ServerFailed.
        """

    @abstractmethod
    def program(self) -> Program:
        """What to run; complete after `prepare`."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves clients now."""

    def on_first_answer(self) -> None:  # noqa: B027 - most have nothing to do
        """What remains to be done once a start has succeeded."""

    def ailment(self) -> str | None:
        """Why it does no work although its process runs, in words; None where it does, or where nobody can tell.

        Called often; must not block.
        """
        return None

    @property
    def process(self) -> ChildProcess:
        """The child process; it exists after `prepare`."""
        if self._process is None:
            self._process = ChildProcess(self.program(), self._log)
        return self._process

    def start(self, progress: Progress = lambda _: None) -> None:
        """Prepare, spawn and wait until it answers. Leaves nothing running when it raises."""
        self.prepare(progress)
        self.spawn()
        self.wait_ready()

    def spawn(self) -> None:
        """Start the process without waiting. Raises ConfigurationError when a port is taken."""
        for field, port in self.ports.items():
            require_free(port, field, self.title)
        self.process.spawn()

    def wait_ready(self) -> None:
        """Wait until it answers. Raises ServerFailed, and leaves nothing running, when it dies or takes too long."""
        deadline = time.monotonic() + self.ready_seconds
        while not self.answers():
            if not self.process.running():
                raise self.process.failure()
            if time.monotonic() > deadline:
                self.kill()
                raise ServerFailed(
                    f"{self.title} did not answer within {self.ready_seconds:.0f} s (its log: {self._log})."
                )
            time.sleep(_POLL_SECONDS)
        self.on_first_answer()

    def stop(self) -> None:
        """End it the way it wants to be ended; kill it when that takes too long."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """End it with SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
