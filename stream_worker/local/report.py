"""What `finsentry status` says: the state of a home, compared with what really runs and answers."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from stream_worker.local.probes import PROBES
from stream_worker.local.state import Condition, ProcessRecord, read_state


@dataclass(frozen=True)
class ServerReport:
    """One of the four addresses."""

    address: str
    answers: bool


@dataclass(frozen=True)
class ProcessReport:
    """One process; pid and uptime are None where it does not run."""

    condition: str
    pid: int | None
    uptime_seconds: float | None
    restarts: int
    log: str

    @property
    def as_it_should(self) -> bool:
        """It runs, or has reached its end."""
        return self.pid is not None or self.condition == Condition.FINISHED

    @property
    def wrong(self) -> str:
        """Why it does not run: it waits for its next start, has failed, or went together with its supervisor."""
        return "gone" if self.condition == Condition.RUNNING else self.condition


@dataclass(frozen=True)
class StackReport:
    """`up`: whether a supervisor runs."""

    up: bool
    servers: dict[str, ServerReport]
    processes: dict[str, ProcessReport]

    @property
    def as_it_should(self) -> bool:
        """Everything that should run does."""
        servers = all(server.answers for server in self.servers.values())
        return self.up and servers and all(process.as_it_should for process in self.processes.values())

    def as_json(self) -> dict[str, object]:
        """For scripts."""
        return {**asdict(self), "as_it_should": self.as_it_should}


def report(home: Path) -> StackReport:
    """Look at everything once. Raises ConfigurationError when the state is damaged."""
    state = read_state(home)
    if state is None:
        return StackReport(up=False, servers={}, processes={})
    up = state.supervisor is not None and state.supervisor.running()
    servers = {name: ServerReport(address, PROBES[name](address)) for name, address in state.addresses.items()}
    return StackReport(up, servers, {name: _process(record) for name, record in state.processes.items()})


def _process(record: ProcessRecord) -> ProcessReport:
    process = record.identity.process() if record.identity else None
    if process is None:
        return ProcessReport(record.condition, None, None, record.restarts, record.log)
    uptime = time.time() - process.create_time()
    return ProcessReport(record.condition, process.pid, round(uptime, 1), record.restarts, record.log)
