"""Deployments whose processes can be armed with a fault, and the proof that nothing was lost or counted twice."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from stream_worker.local.servers import Servers
from stream_worker.settings import Settings, TopicName
from stream_worker.verify.verification import verify
from tests.services.deployment import Deployment, deployed, environment

#: Starts `tests.faults.armed COMMAND POINT ACTION [FILE]`.
Arm = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def deployment(servers: Servers, settings: Settings, tmp_path: Path) -> AsyncIterator[Deployment]:
    """Topics and schema made, nothing started."""
    async with deployed(settings, tmp_path / "logs") as deployment:
        yield deployment


@pytest.fixture
def arm(deployment: Deployment) -> Arm:
    """A worker or monitor with a fault in it; it is stopped with the deployment."""

    async def start(
        command: str, point: str, action: str, file: Path | None = None, **settings: object
    ) -> asyncio.subprocess.Process:
        arguments = [command, point, action, *([str(file)] if file is not None else [])]
        with (deployment.logs / f"armed-{len(deployment.workers)}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.faults.armed", *arguments),
                env=environment(deployment.settings, **settings),
                stdout=log,
                stderr=log,
            )
        deployment.workers.append(process)
        return process

    return start


async def assert_holds(deployment: Deployment) -> None:
    """What `finsentry verify --bytes` says, at whatever moment it is asked."""
    report = await verify(deployment.settings, read_bytes=True)
    assert report.holds, [check for check in report.checks if check.violations and check.violations.count]


async def assert_everything_once(deployment: Deployment, documents: int, of: TopicName = "documents") -> None:
    """Wait until so many documents have come through, then prove it: receipts, scores, windows, what was published."""
    await deployment.until("SELECT count(*) FROM receipts", documents)
    await deployment.until("SELECT count(*) FROM dirty_marks", 0)
    await deployment.until("SELECT count(*) FROM publications", 0)
    async with asyncio.timeout(30):
        while sum((await deployment.committed(of)).values()) < documents:
            await asyncio.sleep(0.1)
    assert await deployment.outcomes() == {"accepted": documents}
    assert await deployment.value("SELECT sum(documents) FROM windows WHERE instrument_id = ''") == documents
    published = {message["score_id"] for message in await deployment.published("scores")}
    assert published == {row[0] for row in await deployment.rows("SELECT score_id FROM scores")}
    await assert_holds(deployment)
