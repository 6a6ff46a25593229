"""What was found, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from stream_worker.storage.activity import Activity


@dataclass(frozen=True, slots=True)
class Server:
    """A server that finsentry needs. `problem` says in words why it cannot be used; '' where it can."""

    title: str
    address: str | None
    seconds: float
    problem: str = ""

    @property
    def answers(self) -> bool:
        """Whether it can be used."""
        return not self.problem


@dataclass(frozen=True, slots=True)
class Health:
    """What a service says of itself. `failing` are the checks that failed, with the reason."""

    answers: bool
    alive: bool = False
    ready: bool = False
    failing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the embedded stack, or a service that answers where the settings say.

    `condition` is the supervisor's word, or `gone` where the process went with its supervisor; '' where nobody
    supervises it. `health` is None where it does not tell.
    """

    condition: str
    pid: int | None = None
    uptime_seconds: float | None = None
    restarts: int | None = None
    log: str | None = None
    health: Health | None = None


@dataclass(frozen=True, slots=True)
class LaneBacklog:
    """What waits in Kafka. `readers` are the workers in the lane's group; None where Kafka cannot tell."""

    topic: str
    group: str
    partitions: int
    readers: int | None
    waiting: int


@dataclass(frozen=True, slots=True)
class Schema:
    """The database's schema revision (None: it was never migrated), and the one that this program needs."""

    current: str | None
    needed: str


@dataclass(frozen=True, slots=True)
class Status:
    """Everything. Parts that could not be asked are None. `up` is None where no embedded stack was started here."""

    at: datetime
    home: str
    version: str
    up: bool | None
    servers: Mapping[str, Server]
    processes: Mapping[str, Process]
    missing_topics: Sequence[str] | None
    lanes: Mapping[str, LaneBacklog] | None
    schema: Schema | None
    activity: Activity | None
    live_view_at: datetime | None

    @property
    def expects_services(self) -> bool:
        """Whether worker and monitor should run: not where the stack was started for its servers only."""
        return not self.up or "worker" in self.processes

    @property
    def is_nowhere(self) -> bool:
        """Whether there is nothing to look at: no embedded stack, and no address of any server."""
        return self.up is None and not any(server.address for server in self.servers.values())

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return asdict(self)
