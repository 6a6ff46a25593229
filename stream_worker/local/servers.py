"""Starting and stopping the embedded servers together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from stream_worker.local.kafka import Kafka
from stream_worker.local.platform import require_platform
from stream_worker.local.ports import Ports
from stream_worker.local.postgres import Postgres
from stream_worker.local.redis import Redis
from stream_worker.local.server import Progress, Server
from stream_worker.local.triton import Triton
from stream_worker.settings import REPOSITORY_ROOT

#: The backends that stand in for those of a full Triton build.
BACKENDS = REPOSITORY_ROOT / "triton_models" / "backends"


@dataclass(frozen=True)
class Servers:
    """All four, for tests: each can be stopped, killed and started again by itself."""

    postgres: Postgres
    redis: Redis
    kafka: Kafka
    triton: Triton

    @classmethod
    def at(cls, home: Path, ports: Ports, model_repository: Path, backends: Path = BACKENDS) -> Self:
        """Nothing is started."""
        return cls(
            Postgres(home, ports.postgres_port),
            Redis(home, ports.redis_port),
            Kafka(home, ports.kafka_port, ports.kafka_controller_port),
            Triton(home, ports.triton_port, ports.triton_metrics_port, model_repository, backends),
        )

    def __iter__(self) -> Iterator[Server]:
        return iter((self.postgres, self.redis, self.kafka, self.triton))

    @property
    def addresses(self) -> dict[str, str]:
        """Under the names of the settings."""
        return {
            "database_url": self.postgres.address,
            "redis_url": self.redis.address,
            "kafka_bootstrap": self.kafka.address,
            "triton_url": self.triton.address,
        }


def start_all(servers: Sequence[Server], progress: Progress = lambda _: None) -> None:
    """Prepare them one by one, spawn them all, then wait until each answers.

    When it raises (also for Ctrl-C), none of them is left running.
    """
    require_platform()
    try:
        for server in servers:
            server.prepare(progress)
        for server in servers:
            progress(f"starting {server.title}")
            server.spawn()
        for server in servers:
            server.wait_ready()
            progress(f"{server.title} answers")
    except BaseException:
        stop_all(servers)
        raise


def stop_all(servers: Sequence[Server]) -> None:
    """Stop them in reverse order; those that do not run are left alone."""
    for server in reversed(servers):
        server.stop()
