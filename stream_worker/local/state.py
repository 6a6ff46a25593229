"""What runs in a home: `stack.json`, written by `finsentry up` at every change and removed when it ends."""

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from stream_worker.errors import ConfigurationError
from stream_worker.local.identity import ProcessIdentity
from stream_worker.local.private_file import write_private


class Condition(StrEnum):
    """What the supervisor knows of a process."""

    RUNNING = "running"
    WAITING = "waiting"  # it ended, and will be started again
    FINISHED = "finished"  # it had an end, and has reached it
    FAILED = "failed"  # a person must change something


@dataclass(frozen=True)
class ProcessRecord:
    """One process; `identity` is that of its last start, `url` where it answers over HTTP."""

    identity: ProcessIdentity | None
    condition: Condition
    restarts: int
    log: str
    url: str | None = None


@dataclass(frozen=True)
class StackState:
    """The addresses of the four servers (with passwords: the file is its owner's alone), and the processes."""

    addresses: dict[str, str]
    supervisor: ProcessIdentity | None
    processes: dict[str, ProcessRecord] = field(default_factory=dict)


def state_file(home: Path) -> Path:
    """Where the state of a home is kept."""
    return home / "stack.json"


def write_state(home: Path, state: StackState) -> None:
    """Replace the file as a whole."""
    write_private(state_file(home), json.dumps(asdict(state), indent=1) + "\n")


def read_state(home: Path) -> StackState | None:
    """The state, or None where nothing was started (or everything was stopped).

    Raises ConfigurationError when the file is damaged.
    """
    path = state_file(home)
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    try:
        raw = json.loads(text)
        processes = {
            name: ProcessRecord(
                _identity(record["identity"]),
                Condition(record["condition"]),
                record["restarts"],
                record["log"],
                record["url"],
            )
            for name, record in raw["processes"].items()
        }
        return StackState(raw["addresses"], _identity(raw["supervisor"]), processes)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"Cannot read {path} ({error!r}): remove it and run `finsentry up` again.") from None


def remove_state(home: Path) -> None:
    """Nothing runs any more."""
    state_file(home).unlink(missing_ok=True)


def _identity(raw: dict[str, object] | None) -> ProcessIdentity | None:
    return None if raw is None else ProcessIdentity(int(str(raw["pid"])), str(raw["start"]))
