"""Connections that break in the middle, servers that restart, and a database that has no room left."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from stream_worker.local.ports import Ports
from stream_worker.local.postgres import Postgres
from stream_worker.local.server import Server
from stream_worker.local.servers import Servers
from stream_worker.settings import Settings
from tests.faults.conftest import Arm, assert_everything_once
from tests.faults.proxy import Proxy, proxied
from tests.services.deployment import Deployment, deployed, document

DOCUMENTS = 600


async def _send(deployment: Deployment) -> None:
    await deployment.send([document(f"Apple profit {n}", n, id=str(n)) for n in range(DOCUMENTS)])


@asynccontextmanager
async def _in_front_of(url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy, and the URL through it."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    async with proxied(parts.hostname, parts.port) as proxy:
        yield proxy, url.replace(f":{parts.port}/", f":{proxy.port}/")


@pytest.mark.parametrize("point", ["in the transaction", "committed"])
async def test_connections_to_postgres_reset_around_a_commit_change_no_count(
    deployment: Deployment, arm: Arm, tmp_path: Path, database_url: str, point: str
) -> None:
    held = tmp_path / "held"
    await _send(deployment)
    async with _in_front_of(database_url) as (proxy, url):
        await arm("worker", point, "hold", held, database_url=url)
        async with asyncio.timeout(60):
            while not held.exists():
                await asyncio.sleep(0.02)
        assert proxy.reset() > 0
        held.unlink()
        await deployment.start("monitor")
        await assert_everything_once(deployment, DOCUMENTS)


async def test_connections_to_redis_reset_again_and_again_leave_its_state_whole(
    deployment: Deployment, redis_url: str
) -> None:
    await deployment.start("worker")
    async with _in_front_of(redis_url) as (proxy, url):
        await deployment.start("monitor", redis_url=url)
        await _send(deployment)
        for seen in range(1, 6):
            async with asyncio.timeout(60):
                while proxy.connections < seen:
                    await asyncio.sleep(0.02)
            proxy.reset()
        await assert_everything_once(deployment, DOCUMENTS)


@pytest.mark.parametrize("name", ["postgres", "redis"])
async def test_a_server_that_is_restarted_in_the_middle_of_a_batch_changes_no_count(
    deployment: Deployment, servers: Servers, arm: Arm, tmp_path: Path, name: str
) -> None:
    server: Server = servers.redis if name == "redis" else servers.postgres
    held = tmp_path / "held"
    await _send(deployment)
    if name == "redis":
        await deployment.start("worker")
        await arm("monitor", "half published", "hold", held)
    else:
        await deployment.start("monitor")
        await arm("worker", "in the transaction", "hold", held)
    async with asyncio.timeout(60):
        while not held.exists():
            await asyncio.sleep(0.02)
    server.stop()
    held.unlink()
    server.spawn()
    await asyncio.to_thread(server.wait_ready)
    await assert_everything_once(deployment, DOCUMENTS)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with little room, for a Postgres of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system of a given size can be made here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_full_disk_under_postgres_delays_and_loses_nothing(
    servers: Servers, settings: Settings, small_disk: Path, tmp_path: Path
) -> None:
    postgres = Postgres(small_disk, Ports.free().postgres_port)
    postgres.start()
    try:
        own = settings.model_copy(update={"database_url": SecretStr(postgres.address)})
        async with deployed(own, tmp_path / "logs") as deployment:
            ballast = small_disk / "ballast"
            ballast.write_bytes(b"\0" * (shutil.disk_usage(small_disk).free - 512 * 1024))
            worker = await deployment.start("worker")
            await _send(deployment)
            async with asyncio.timeout(90):
                while "No space left on device" not in deployment.log_tail() and postgres.process.running():
                    await asyncio.sleep(0.1)
            assert await asyncio.to_thread(_receipts, postgres) in (None, *range(DOCUMENTS))
            ballast.unlink()
            if not postgres.process.running():
                postgres.spawn()
                await asyncio.to_thread(postgres.wait_ready)
            await deployment.start("monitor")
            await assert_everything_once(deployment, DOCUMENTS)
            assert worker.returncode is None, deployment.log_tail()
    finally:
        postgres.stop()


def _receipts(postgres: Postgres) -> int | None:
    if not postgres.process.running():
        return None
    return int(postgres.query("finsentry", "SELECT count(*) FROM receipts"))
