"""Runs every leg one after the other on servers of its own, and prints one table."""

import asyncio
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import orjson

from bench.corpus import Corpus, distinct_documents, long_stream
from bench.deployment import Deployment, deployed, servers
from bench.forward import Speed, forward_passes, token_batches
from bench.null_models import write_null_repository
from bench.report import Results, lines
from bench.service import Latency, Memory, Throughput, latency, throughput, throughput_and_memory
from bench.stages import stages
from stream_worker.inference.batching import TokenBatch
from stream_worker.inference.contract import read_pair
from stream_worker.inference.onnx import OnnxBackend
from stream_worker.inference.triton import TritonBackend
from stream_worker.local.servers import Servers
from stream_worker.logs import configure_logging
from stream_worker.settings import Settings

_STREAM_DOCUMENTS = 77_272


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything; seconds for the latency."""

    documents: int
    naive: int
    latency_seconds: float
    stream: int


_FULL = Sizes(documents=12_000, naive=600, latency_seconds=60.0, stream=_STREAM_DOCUMENTS)
_QUICK = Sizes(documents=1_000, naive=200, latency_seconds=15.0, stream=5_000)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), envvar="FINSENTRY_DATA", help="Real titles; else generated.")
@click.option("--quick", is_flag=True, help="A fraction of everything: to try the bench, not to quote it.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write everything to this file.")
def main(data: Path | None, quick: bool, json_file: Path | None) -> None:
    """Measure what finsentry costs on this machine. Leave the machine alone meanwhile."""
    sizes = _QUICK if quick else _FULL
    configure_logging(Settings(log_level="warning"))
    with tempfile.TemporaryDirectory(prefix="finsentry-bench-") as folder:
        results = Bench(Path(folder), data, sizes).run()
    for line in lines(results):
        print(line)
    if json_file is not None:
        json_file.write_bytes(orjson.dumps(results.as_json(), option=orjson.OPT_INDENT_2))


class Bench:
    """All legs. Every leg that runs a worker has a new one, with its cache cold."""

    def __init__(self, home: Path, data: Path | None, sizes: Sizes) -> None:
        self._home = home
        self._data = data
        self._sizes = sizes
        self._settings = Settings(home=home)
        self._models = read_pair(self._settings.model_repository)

    def run(self) -> Results:
        """Everything; takes a quarter of an hour in full."""
        corpus = distinct_documents(self._data, self._sizes.documents)
        chunks = token_batches(self._models, corpus.texts, self._settings)
        with step("starting the servers with the real models"), servers(self._home / "real", self._repository) as on:
            # The machine may have other things to do: (a) is measured on both sides of what is compared with it.
            before = asyncio.run(self._forward(chunks))
            triton = asyncio.run(self._triton(on, chunks))
            service = asyncio.run(self._service(on, corpus))
            after = asyncio.run(self._forward(chunks))
            naive = self._naive(on, corpus)
            waited = asyncio.run(self._latency(on, service.per_second / 2))
        null = write_null_repository(self._home / "null-models", self._repository)
        with step("starting the servers with null models"), servers(self._home / "null", null) as on:
            null_service, memory = asyncio.run(self._null_service(on, null))
            stage_micros = asyncio.run(self._stages(on, null, corpus))
        return Results(
            corpus.origin, machine(), before, after, triton, service, naive, waited, null_service, memory, stage_micros
        )

    @property
    def _repository(self) -> Path:
        return self._settings.model_repository

    async def _forward(self, chunks: list[list[TokenBatch]]) -> Speed:
        with step("(a) forward passes in this process"):
            backend = OnnxBackend(self._models)
            try:
                return await forward_passes(backend, chunks, self._settings.batches_in_flight)
            finally:
                backend.close()

    async def _triton(self, on: Servers, chunks: list[list[TokenBatch]]) -> Speed:
        with step("(b) forward passes through Triton"):
            async with TritonBackend(on.triton.address, self._models, 60.0) as backend:
                return await forward_passes(backend, chunks, self._settings.batches_in_flight)

    async def _service(self, on: Servers, corpus: Corpus) -> Throughput:
        with step("(c) the service"):
            async with deployed(on, "service", self._home, self._repository) as deployment:
                return await throughput(deployment, corpus.lines)

    def _naive(self, on: Servers, corpus: Corpus) -> float:
        with step("(e) one message at a time"):
            return asyncio.run(self._run_naive(on, corpus.lines[: self._sizes.naive]))

    async def _run_naive(self, on: Servers, messages: list[bytes]) -> float:
        async with deployed(on, "naive", self._home, self._repository) as deployment:
            await deployment.publish(messages)
            return await asyncio.to_thread(_naive_process, deployment, len(messages))

    async def _latency(self, on: Servers, per_second: float) -> Latency:
        with step(f"latency at {per_second:.0f} documents a second"):
            count = round(per_second * self._sizes.latency_seconds) + 200
            fresh = distinct_documents(self._data, count)
            async with deployed(on, "latency", self._home, self._repository) as deployment:
                return await latency(deployment, fresh.lines, per_second)

    async def _null_service(self, on: Servers, repository: Path) -> tuple[Throughput, Memory]:
        with step("(d) the service with a null model, twice over the stream"):
            stream = list(long_stream(self._data, 2 * self._sizes.stream))
            async with deployed(on, "null_model", self._home, repository) as deployment:
                return await throughput_and_memory(deployment, stream)

    async def _stages(self, on: Servers, repository: Path, corpus: Corpus) -> dict[str, float]:
        with step("stages, one by one"):
            async with deployed(on, "stages", self._home, repository) as deployment:
                return await stages(deployment, corpus.lines)


def _naive_process(deployment: Deployment, count: int) -> float:
    command = [sys.executable, "-m", "bench.naive", str(count)]
    done = subprocess.run(command, env=deployment.environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"The naive service failed: {done.stderr[-2000:]}")
    return float(done.stdout)


def machine() -> str:
    names = [
        line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "name" in line
    ]
    cores = len(os.sched_getaffinity(0))
    return f"{names[0] if names else platform.machine()}, {cores} cores, load {os.getloadavg()[2]:.1f}"


@contextmanager
def step(name: str) -> Iterator[None]:
    click.echo(f"· {name}", err=True)
    yield


if __name__ == "__main__":
    main()
