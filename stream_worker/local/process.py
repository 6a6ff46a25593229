"""One child process in a group of its own, with a log file; it and its group never outlive this process."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from stream_worker.errors import ConfigurationError, FinsentryError, ServerFailed

#: With which a command of ours says that a person must change something (sysexits.h EX_CONFIG).
EXIT_CONFIGURATION = 78

#: How the command line begins the one sentence with which it ends.
_SENTENCE = "finsentry: "
_LAUNCH = Path(__file__).with_name("launch.py")
_LARGEST_LOG_BYTES = 20_000_000
_TAIL_BYTES = 4096
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Program:
    """What to run and how it wants to be ended."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0
    #: Whether ending with status 0 is its purpose rather than a failure.
    has_an_end: bool = False


@dataclass
class ChildProcess:
    """Starts, stops and kills `program`; its output is appended to `log`."""

    program: Program
    log: Path
    _popen: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _log_start: int = 0

    def spawn(self) -> None:
        """Start it. Does not wait until it is of any use.

        Must be called in the main thread: the kernel kills the child when the *thread* that started it ends.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("start processes in the main thread: they die with the thread that starts them")
        if self.exit_code() is None and self._popen is not None:
            raise RuntimeError(f"{self.program.name} is running already")
        _rotate(self.log)
        with self.log.open("ab") as output:
            self._log_start = output.tell()
            self._popen = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_LAUNCH), str(os.getpid()), *self.program.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.program.environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, also after its end. Raises RuntimeError before the first start."""
        if self._popen is None:
            raise RuntimeError(f"{self.program.name} was never started")
        return self._popen.pid

    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._popen is not None and self.exit_code() is None

    def exit_code(self) -> int | None:
        """Its exit status (negative: the signal that ended it), or None. Once it has ended, so has its group."""
        if self._popen is None or self._popen.returncode is not None:
            return self._popen.returncode if self._popen else None
        # The group goes before the dead leader is reaped: until then its id cannot belong to anybody else.
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        self._signal_group(signal.SIGKILL)
        return self._popen.wait()

    def wait(self, timeout_seconds: float) -> int | None:
        """The exit status, or None when it still runs after the timeout."""
        deadline = time.monotonic() + timeout_seconds
        while (code := self.exit_code()) is None and self._popen is not None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        return code

    def stop(self) -> None:
        """Ask it to end, wait for its grace period, then kill what is left. Nothing to do when it has ended."""
        if not self.running():
            return
        family = self._family()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, self.program.stop_signal)
        self.wait(self.program.grace_seconds)
        self._end(family)

    def kill(self) -> None:
        """End it and everything it started at once, and wait until they are gone."""
        if self.running():
            self._end(self._family())

    def last_words(self) -> str:
        """The sentence with which a command of ours ended, else the last line that this run wrote, else nothing."""
        try:
            with self.log.open("rb") as output:
                size = output.seek(0, os.SEEK_END)
                output.seek(max(self._log_start, size - _TAIL_BYTES))
                lines = [line.strip() for line in output.read().decode(errors="replace").splitlines()]
        except OSError:
            return ""
        sentences = [line.removeprefix(_SENTENCE) for line in lines if line.startswith(_SENTENCE)]
        return next((line for line in reversed(sentences or lines) if line), "")

    def failure(self) -> FinsentryError:
        """The error that says that it ended, with its last words and where the rest of them stands.

        A ConfigurationError when it ended because a person must change something.
        """
        code = self.exit_code() or 0
        words = self.last_words() if code >= 0 else ""
        kind = ConfigurationError if code == EXIT_CONFIGURATION else ServerFailed
        reason = f"{self.program.name} ended with {exit_reason(code)}"
        return kind(f"{reason}{f': {words}' if words else ''} (its log: {self.log}).")

    def _family(self) -> list[psutil.Process]:
        try:
            leader = psutil.Process(self.pid)
            return [leader, *leader.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _end(self, family: list[psutil.Process]) -> None:
        if self.running():
            self._signal_group(signal.SIGKILL)
            self.wait(self.program.grace_seconds)
        # Some servers put their own children into other groups (PostgreSQL does).
        end_processes(family)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def end_processes(processes: Sequence[psutil.Process], timeout_seconds: float = 5.0) -> None:
    """Wait a moment for these processes to end, kill those that do not, and wait until they are gone."""
    alive = wait_until_gone(processes, 0.5)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process.kill()
    wait_until_gone(alive, timeout_seconds)


def wait_until_gone(processes: Sequence[psutil.Process], timeout_seconds: float) -> list[psutil.Process]:
    """Wait until these processes have ended, and return those that have not.

    A zombie has ended: it may be for somebody else to reap, who may never do it.
    """
    deadline = time.monotonic() + timeout_seconds
    while alive := [process for process in processes if _alive(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_SECONDS)
    return alive


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def exit_reason(code: int) -> str:
    """An exit status in words."""
    if code >= 0:
        return f"exit status {code}"
    return signal.Signals(-code).name


def _rotate(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LARGEST_LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
