"""How many CPU seconds processes have used."""

from dataclasses import dataclass

import psutil

from bench.deployment import Deployment


@dataclass(frozen=True, slots=True)
class ProcessorSeconds:
    """User and system time of each part, children included."""

    worker: float
    postgres: float
    kafka: float
    triton: float

    def since(self, earlier: "ProcessorSeconds") -> "ProcessorSeconds":
        """What was used in between."""
        return ProcessorSeconds(
            self.worker - earlier.worker,
            self.postgres - earlier.postgres,
            self.kafka - earlier.kafka,
            self.triton - earlier.triton,
        )


def processor_seconds(deployment: Deployment) -> ProcessorSeconds:
    """Of the deployment's worker and servers, since they started."""
    on = deployment.servers
    return ProcessorSeconds(
        worker=_used(deployment.worker),
        postgres=_used(psutil.Process(on.postgres.process.pid)),
        kafka=_used(psutil.Process(on.kafka.process.pid)),
        triton=_used(psutil.Process(on.triton.process.pid)),
    )


def _used(root: psutil.Process) -> float:
    times = root.cpu_times()
    used = times.user + times.system + times.children_user + times.children_system
    for child in root.children(recursive=True):
        try:
            own = child.cpu_times()
        except psutil.NoSuchProcess:
            continue  # It ended just now: its time is the parent's from here on.
        used += own.user + own.system
    return used
