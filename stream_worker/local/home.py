"""The folder of a stack: one `finsentry up` at a time, and no leftovers of one that was killed."""

import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil

from stream_worker.errors import ConfigurationError
from stream_worker.local.identity import ProcessIdentity
from stream_worker.local.process import end_processes, wait_until_gone
from stream_worker.local.state import read_state, remove_state

#: So long the supervisor may take to stop everything, the worker's 30 s included.
_SUPERVISOR_SECONDS = 120.0
_GRACE_SECONDS = 10.0


@contextlib.contextmanager
def own_home(home: Path) -> Iterator[Path]:
    """Make the folder, keep other supervisors out of it, and yield its absolute path.

    Raises ConfigurationError when another one runs there.
    """
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    # The lock ends with this process, however it ends; children do not inherit it.
    with (home / "up.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"finsentry is up already in {home}: end it with `finsentry down`, or set FINSENTRY_HOME to another "
                "folder."
            ) from None
        end_leftovers(home)
        yield home


def end_supervisor(home: Path) -> bool:
    """Ask the supervisor of this home to stop everything, and wait; then end what it may have left.

    Returns whether there was anything to end.
    """
    home = home.resolve()
    state = read_state(home)
    supervisor = state.supervisor.process() if state and state.supervisor else None
    if supervisor is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            supervisor.send_signal(signal.SIGTERM)
        for process in wait_until_gone([supervisor], _SUPERVISOR_SECONDS):
            process.kill()
    return end_leftovers(home) or supervisor is not None


def end_leftovers(home: Path) -> bool:
    """End the processes that the state names and that still run, and forget it. Returns whether there were any."""
    state = read_state(home)
    if state is None:
        return False
    left = [_family(record.identity) for record in reversed(state.processes.values()) if record.identity]
    processes = [process for family in left for process in family]
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    wait_until_gone(processes, _GRACE_SECONDS)
    end_processes(processes)
    remove_state(home)
    return bool(processes)


def _family(identity: ProcessIdentity) -> list[psutil.Process]:
    process = identity.process()
    if process is None or process.pid == os.getpid():
        return []
    with contextlib.suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []
