"""What worker and monitor answer to probes while their servers come and go."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from stream_worker.local.ports import free_port
from stream_worker.local.server import Server
from stream_worker.local.servers import Servers
from stream_worker.local.triton import Triton
from stream_worker.settings import Settings
from tests.services.deployment import Deployment, deployed, document


class Probe:
    """Asks one process."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self.port = port
        self._session = session
        self._address = f"http://127.0.0.1:{port}"

    async def status(self, path: str) -> int:
        """Of the answer; 0 where there is none."""
        try:
            async with self._session.get(f"{self._address}/{path}") as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    async def ready(self) -> Mapping[str, Any]:
        """What `/readyz` says."""
        async with self._session.get(f"{self._address}/readyz") as response:
            answer: Mapping[str, Any] = json.loads(await response.read())
            return answer

    async def metrics(self) -> list[str]:
        """The lines of `/metrics`."""
        async with self._session.get(f"{self._address}/metrics") as response:
            return (await response.text()).splitlines()

    async def until(self, path: str, status: int, seconds: float = 60.0) -> None:
        """Wait until the path has this status."""
        async with asyncio.timeout(seconds):
            while await self.status(path) != status:
                await asyncio.sleep(0.1)

    async def until_failing(self, *names: str) -> Mapping[str, Any]:
        """Wait until exactly these checks fail, and return the findings of all."""
        async with asyncio.timeout(60):
            while True:
                answer = await self.ready()
                if answer["failing"] == list(names):
                    checks: Mapping[str, Any] = answer["checks"]
                    return checks
                await asyncio.sleep(0.1)


@pytest.fixture
async def deployment(servers: Servers, settings: Settings, tmp_path: Path) -> AsyncIterator[Deployment]:
    async with deployed(settings, tmp_path / "logs") as deployment:
        yield deployment


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


@pytest.fixture
async def worker(deployment: Deployment, session: aiohttp.ClientSession) -> Probe:
    port = free_port()
    await deployment.start("worker", worker_http_port=port)
    probe = Probe(session, port)
    await probe.until("readyz", 200)
    return probe


async def _back(server: Server) -> None:
    server.spawn()
    await asyncio.to_thread(server.wait_ready)


async def test_a_worker_names_the_server_that_is_away_stays_alive_and_is_ready_when_it_is_back(
    worker: Probe, servers: Servers
) -> None:
    for name, server in {"postgres": servers.postgres, "kafka": servers.kafka}.items():
        server.kill()
        try:
            checks = await worker.until_failing(name)
            assert checks["triton"]["ok"]
            assert await worker.status("livez") == 200
            assert await worker.status("metrics") == 200
        finally:
            await _back(server)
        await worker.until("readyz", 200)

    # Triton itself goes on saying that it is ready.
    _process_behind(servers.triton, "entities").kill()
    try:
        checks = await worker.until_failing("triton")
        assert "entities" in checks["triton"]["detail"]
        assert servers.triton.answers()
        assert await worker.status("livez") == 200
    finally:
        servers.triton.kill()
        await _back(servers.triton)
    await worker.until("readyz", 200)


def _process_behind(triton: Triton, model: str) -> psutil.Process:
    (found,) = (p for p in psutil.Process(triton.process.pid).children() if f"/{model}/" in " ".join(p.cmdline()))
    return found


async def test_a_worker_that_waits_for_a_server_at_its_start_is_alive_and_says_for_which(
    deployment: Deployment, servers: Servers, session: aiohttp.ClientSession
) -> None:
    port = free_port()
    probe = Probe(session, port)
    servers.triton.kill()
    try:
        await deployment.start("worker", worker_http_port=port)
        await probe.until("livez", 200)
        async with asyncio.timeout(30):
            while "Triton" not in (await probe.ready())["checks"]["start"]["detail"]:
                await asyncio.sleep(0.1)
        assert await probe.status("livez") == 200
    finally:
        await _back(servers.triton)
    await probe.until("readyz", 200)


async def test_a_worker_that_finds_all_partitions_taken_is_ready_to_take_over(
    deployment: Deployment, session: aiohttp.ClientSession
) -> None:
    probes = []
    for port in (free_port(), free_port(), free_port()):
        await deployment.start("worker", worker_http_port=port)
        probes.append(Probe(session, port))
    await asyncio.gather(*(probe.until("readyz", 200) for probe in probes))
    async with asyncio.timeout(30):
        while not any(
            detail.startswith("live: other workers have all the partitions")
            for detail in [(await probe.ready())["checks"]["kafka"]["detail"] for probe in probes]
        ):
            await asyncio.sleep(0.2)


async def test_a_monitor_names_what_it_misses_and_tells_what_it_owes(
    deployment: Deployment, servers: Servers, session: aiohttp.ClientSession
) -> None:
    port = free_port()
    await deployment.start("monitor", monitor_http_port=port)
    probe = Probe(session, port)
    await probe.until("readyz", 200)
    servers.redis.kill()
    try:
        await probe.until_failing("redis")
        assert await probe.status("livez") == 200
    finally:
        await _back(servers.redis)
    servers.postgres.kill()
    try:
        await probe.until_failing("postgres")
        assert await probe.status("livez") == 200
        assert "finsentry_oldest_pending_mark_seconds NaN" in await probe.metrics()
    finally:
        await _back(servers.postgres)
    await probe.until("readyz", 200)
    async with asyncio.timeout(20):  # what was asked is kept for a second
        while "finsentry_oldest_pending_mark_seconds 0.0" not in await probe.metrics():
            await asyncio.sleep(0.2)


async def test_lag_is_told_by_partition_and_a_second_worker_on_the_port_says_that_it_is_taken(
    worker: Probe, deployment: Deployment
) -> None:
    await deployment.send([document(f"Headline {n}", n) for n in range(10)])
    await deployment.until("SELECT count(*) FROM receipts", 10)
    topic = deployment.settings.topic("documents")
    expected = {
        f'finsentry_consumer_lag_messages{{lane="live",partition="{number}",topic="{topic}"}} 0.0' for number in (0, 1)
    }
    async with asyncio.timeout(20):
        while not expected <= set(await worker.metrics()):
            await asyncio.sleep(0.2)

    second = await deployment.start("worker", worker_http_port=worker.port)
    async with asyncio.timeout(30):
        assert await second.wait() == 78
    deployment.workers.remove(second)
    (sentence,) = (deployment.logs / "worker-1.log").read_text().splitlines()
    assert sentence.startswith(
        f"finsentry: Port {worker.port} of 127.0.0.1 for health and metrics is taken: set FINSENTRY_WORKER_HTTP_PORT"
    )
