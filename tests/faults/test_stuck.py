"""A worker that hangs for no server's sake is not alive, and only then."""

import asyncio
from pathlib import Path

import aiohttp

from stream_worker.local.ports import free_port
from tests.faults.conftest import Arm
from tests.services.deployment import Deployment, document

STUCK_SECONDS = 1.5


async def _status(port: int, path: str = "livez") -> int:
    """Of the answer; 0 where there is none."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
            session.get(f"http://127.0.0.1:{port}/{path}") as response,
        ):
            return response.status
    except (aiohttp.ClientError, TimeoutError):
        return 0


async def _until(port: int, path: str, status: int) -> None:
    async with asyncio.timeout(60):
        while await _status(port, path) != status:
            await asyncio.sleep(0.1)


async def test_a_batch_that_hangs_is_not_alive_and_rest_is(deployment: Deployment, arm: Arm, tmp_path: Path) -> None:
    held, port = tmp_path / "held", free_port()
    await arm("worker", "inferred", "hold", held, worker_http_port=port, stuck_seconds=STUCK_SECONDS)
    await _until(port, "readyz", 200)
    await asyncio.sleep(2 * STUCK_SECONDS)
    assert await _status(port) == 200, "there is nothing to do"
    await deployment.send([document("Apple profit soars")])
    async with asyncio.timeout(30):
        while not held.exists():
            await asyncio.sleep(0.05)
    await _until(port, "livez", 503)
    held.unlink()
    await deployment.until("SELECT count(*) FROM receipts", 1)
    await _until(port, "livez", 200)


async def test_an_event_loop_that_does_not_turn_answers_nothing(
    deployment: Deployment, arm: Arm, tmp_path: Path
) -> None:
    held, port = tmp_path / "held", free_port()
    await arm("worker", "received", "freeze", held, worker_http_port=port)
    await _until(port, "readyz", 200)
    await deployment.send([document("Apple profit soars")])
    async with asyncio.timeout(30):
        while not held.exists():
            await asyncio.sleep(0.05)
    assert await _status(port) == 0
    held.unlink()
    await _until(port, "livez", 200)
