"""Servers that go away while the worker runs: nothing is lost, nothing counted twice, and a stop still ends."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stream_worker.local.server import Server
from stream_worker.local.servers import Servers
from stream_worker.settings import Settings
from tests.services.deployment import Deployment, deployed, document

DOCUMENTS = 1500


@pytest.fixture
async def deployment(servers: Servers, settings: Settings, tmp_path: Path) -> AsyncIterator[Deployment]:
    async with deployed(settings, tmp_path / "logs") as deployment:
        yield deployment


async def _back(server: Server) -> None:
    server.spawn()
    await asyncio.to_thread(server.wait_ready)


async def _assert_committed_offsets_have_receipts(deployment: Deployment) -> None:
    for partition, offset in (await deployment.committed()).items():
        below = "SELECT count(*) FROM receipts WHERE partition = :partition AND kafka_offset < :offset"
        assert await deployment.value(below, partition=partition, offset=offset) == max(offset, 0)


@pytest.mark.parametrize("name", ["postgres", "triton", "kafka"])
async def test_a_server_killed_in_the_middle_changes_no_count(
    deployment: Deployment, servers: Servers, name: str
) -> None:
    server: Server = getattr(servers, name)
    await deployment.send([document(f"Headline {n}", n) for n in range(DOCUMENTS)])
    worker = await deployment.start("worker")
    await deployment.until("SELECT count(*) > 200 FROM receipts", True)
    server.kill()
    await asyncio.sleep(2)
    await _back(server)
    await deployment.until("SELECT count(*) FROM receipts", DOCUMENTS)
    assert await deployment.outcomes() == {"accepted": DOCUMENTS}
    assert await deployment.value("SELECT count(*) FROM scores WHERE instrument_id = ''") == DOCUMENTS
    assert worker.returncode is None, deployment.log_tail()


@pytest.mark.parametrize("name", ["postgres", "triton", "kafka"])
async def test_a_stop_during_an_outage_ends_and_loses_nothing(
    deployment: Deployment, servers: Servers, name: str
) -> None:
    server: Server = getattr(servers, name)
    await deployment.send([document(f"Headline {n}", n) for n in range(DOCUMENTS)])
    worker = await deployment.start("worker", drain_seconds=3)
    await deployment.until("SELECT count(*) > 200 FROM receipts", True)
    server.kill()
    try:
        await asyncio.sleep(1)
        async with asyncio.timeout(30):
            await deployment.stop(worker)
    finally:
        await _back(server)
    assert await deployment.value("SELECT count(*) FROM receipts") < DOCUMENTS
    await _assert_committed_offsets_have_receipts(deployment)
    await deployment.start("worker")
    await deployment.until("SELECT count(*) FROM receipts", DOCUMENTS)
    assert await deployment.outcomes() == {"accepted": DOCUMENTS}


async def test_a_second_worker_in_the_middle_takes_over_partitions_without_loss(deployment: Deployment) -> None:
    await deployment.send([document(f"Headline {n}", n) for n in range(4 * DOCUMENTS)])
    first = await deployment.start("worker")
    await deployment.until("SELECT count(*) > 500 FROM receipts", True)
    await deployment.start("worker")
    await asyncio.sleep(4)
    await _assert_committed_offsets_have_receipts(deployment)
    await deployment.stop(first)
    await deployment.until("SELECT count(*) FROM receipts", 4 * DOCUMENTS)
    assert await deployment.outcomes() == {"accepted": 4 * DOCUMENTS}
    assert await deployment.value("SELECT count(*) FROM scores WHERE instrument_id = ''") == 4 * DOCUMENTS
    await _assert_committed_offsets_have_receipts(deployment)


async def test_a_stop_while_postgres_hangs_ends_in_time(deployment: Deployment, servers: Servers) -> None:
    await deployment.send([document(f"Headline {n}", n) for n in range(DOCUMENTS)])
    worker = await deployment.start("worker", drain_seconds=3)
    await deployment.until("SELECT count(*) > 200 FROM receipts", True)
    backends = await deployment.rows("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
    own = await deployment.value("SELECT pg_backend_pid()")
    frozen = [pid for (pid,) in backends if pid != own]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(30):
            await deployment.stop(worker)
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    await _assert_committed_offsets_have_receipts(deployment)
