"""`python -m bench.gateway`: what the gateway takes, how soon it answers, and what that costs its process.

On a real Kafka of the bench's own, over loopback, with the client in a process of its own.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import orjson
import psutil

from bench.http_load import Load
from stream_worker.ingest.topics import apply_topics
from stream_worker.local.kafka import Kafka
from stream_worker.local.ports import Ports, free_port
from stream_worker.local.process import ChildProcess, Program
from stream_worker.local.services import service_environment
from stream_worker.logs import configure_logging
from stream_worker.settings import Settings

_START_SECONDS = 30.0
#: The rate that is promised on one core.
_GOAL_PER_SECOND = 1_000.0
_COLUMNS = ("asked/s", "docs/s", "CPU s", "docs/CPU s", "p50 ms", "p99 ms", "max ms")


@dataclass(frozen=True, slots=True)
class Leg:
    """Requests of one kind; `rate` is documents a second, None for as many as the gateway takes."""

    name: str
    form: str
    documents: int
    requests: int
    rate: float | None

    @property
    def options(self) -> list[str]:
        """For `bench.http_load`."""
        rate = [] if self.rate is None else ["--rate", str(self.rate / self.documents)]
        return ["--form", self.form, "--documents", str(self.documents), "--requests", str(self.requests), *rate]


@dataclass(frozen=True, slots=True)
class Measured:
    """A leg and the CPU seconds, user and system, that the gateway used meanwhile."""

    leg: Leg
    load: Load
    cpu_seconds: float

    @property
    def documents(self) -> int:
        """In all requests."""
        return self.load.requests * self.leg.documents


def legs(scale: float) -> list[Leg]:
    """Each kind of request at the promised rate, and at the highest."""
    kinds = (("single", "json", 1, 20_000), ("list of 20", "json", 20, 2_000), ("NDJSON of 100", "ndjson", 100, 600))
    return [
        Leg(name, form, documents, max(200, round(count * scale)), rate)
        for name, form, documents, count in kinds
        for rate in (_GOAL_PER_SECOND, None)
    ]


@click.command()
@click.option("--data", type=click.Path(path_type=Path), envvar="FINSENTRY_DATA", help="Real titles; else generated.")
@click.option("--quick", is_flag=True, help="A tenth of everything: to try the bench, not to quote it.")
def main(data: Path | None, quick: bool) -> None:
    """Measure the gateway on this machine. Leave the machine alone meanwhile."""
    configure_logging(Settings(log_level="warning"))
    with tempfile.TemporaryDirectory(prefix="finsentry-bench-") as folder, _gateway(Path(folder)) as (process, port):
        _post(port, data, Leg("warm-up", "json", 1, 2_000, None))
        print(f"{len(os.sched_getaffinity(0))} cores, load before {os.getloadavg()[0]:.1f}")
        print(f"{'':<14}" + "".join(f"{column:>11}" for column in _COLUMNS))
        for leg in legs(0.1 if quick else 1.0):
            before = _cpu_seconds(process)
            load = _post(port, data, leg)
            print(_row(Measured(leg, load, _cpu_seconds(process) - before)), flush=True)
        print(f"load after {os.getloadavg()[0]:.1f}, {process.memory_info().rss >> 20} MiB resident")


@contextmanager
def _gateway(home: Path) -> Iterator[tuple[psutil.Process, int]]:
    """Kafka with the topics, and a gateway that is ready: its process and port."""
    ports = Ports.free()
    port = free_port()
    kafka = Kafka(home, ports.kafka_port, ports.kafka_controller_port)
    environment = service_environment(home, {"kafka_bootstrap": kafka.address}) | {
        "FINSENTRY_GATEWAY_PORT": str(port),
    }
    command = [sys.executable, "-m", "stream_worker.cli", "gateway"]
    gateway = ChildProcess(Program("the gateway", command, environment, grace_seconds=35.0), home / "gateway.log")
    kafka.start()
    try:
        asyncio.run(apply_topics(Settings(kafka_bootstrap=kafka.address)))
        gateway.spawn()
        _wait_until_ready(gateway, port)
        yield psutil.Process(gateway.pid), port
    finally:
        gateway.stop()
        kafka.stop()


def _wait_until_ready(gateway: ChildProcess, port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and gateway.running():
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1.0).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"The gateway is not ready: {gateway.last_words()} (its log: {gateway.log}).")


def _post(port: int, data: Path | None, leg: Leg) -> Load:
    source = [] if data is None else ["--data", str(data)]
    command = [sys.executable, "-m", "bench.http_load", str(port), *leg.options, *source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"The client failed: {done.stderr[-2000:]}")
    return Load(**orjson.loads(done.stdout))


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _row(measured: Measured) -> str:
    load, rate = measured.load, measured.leg.rate
    bad = f"  {load.unaccepted} NOT ACCEPTED" if load.unaccepted else ""
    values = (
        "most" if rate is None else f"{rate:.0f}",
        f"{measured.documents / load.seconds:.0f}",
        f"{measured.cpu_seconds:.2f}",
        f"{measured.documents / measured.cpu_seconds:.0f}",
        *(f"{seconds * 1e3:.1f}" for seconds in (load.p50, load.p99, load.longest)),
    )
    return f"{measured.leg.name:<14}" + "".join(f"{value:>11}" for value in values) + bad


if __name__ == "__main__":
    main()
