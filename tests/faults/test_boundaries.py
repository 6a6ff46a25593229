"""Processes that die exactly between two steps: whatever the step, doing it again changes nothing."""

import asyncio
import signal

import pytest

from stream_worker.settings import TopicName
from tests.faults.conftest import Arm, assert_everything_once, assert_holds
from tests.services.deployment import Deployment, document

DOCUMENTS = 200
WORKER = (
    *("received", "inferred", "in the transaction", "committed", "half emitted", "emitted", "acknowledged"),
    "offset committed",
)
HISTORY = ("history pulled", "inferred", "committed", "history acknowledged", "history's offset committed")
MONITOR = ("marks claimed", "windows committed", "half published", "published")


async def _send(deployment: Deployment, part: str, to: TopicName = "documents") -> None:
    await deployment.send([document(f"Apple profit {part} {n}", n, id=f"{part} {n}") for n in range(DOCUMENTS)], to=to)


async def _dies(process: asyncio.subprocess.Process, deployment: Deployment) -> None:
    async with asyncio.timeout(60):
        assert await process.wait() == -signal.SIGKILL, deployment.log_tail()
    deployment.workers.remove(process)


async def test_a_worker_that_dies_at_each_boundary_in_turn_loses_and_repeats_nothing(
    deployment: Deployment, arm: Arm
) -> None:
    for point in WORKER:
        await _send(deployment, point)
        await _dies(await arm("worker", point, "die"), deployment)
        await assert_holds(deployment)
    await deployment.start("worker")
    await deployment.start("monitor")
    await assert_everything_once(deployment, len(WORKER) * DOCUMENTS)


async def test_a_worker_that_dies_at_each_boundary_of_history_loses_and_repeats_nothing(
    deployment: Deployment, arm: Arm
) -> None:
    for point in HISTORY:
        await _send(deployment, point, "documents-backfill")
        await _dies(await arm("worker", point, "die"), deployment)
        await assert_holds(deployment)
    await deployment.start("worker")
    await deployment.start("monitor")
    await assert_everything_once(deployment, len(HISTORY) * DOCUMENTS, "documents-backfill")


async def test_a_monitor_that_dies_at_each_boundary_in_turn_leaves_windows_and_live_state_whole(
    deployment: Deployment, arm: Arm
) -> None:
    await deployment.start("worker")
    for number, point in enumerate(MONITOR, start=1):
        await _send(deployment, point)
        await deployment.until("SELECT count(*) FROM receipts", number * DOCUMENTS)
        await _dies(await arm("monitor", point, "die"), deployment)
        await assert_holds(deployment)
    await deployment.start("monitor")
    await assert_everything_once(deployment, len(MONITOR) * DOCUMENTS)


@pytest.mark.parametrize("point", ["committed", "emitted"])
async def test_two_workers_of_which_one_dies_after_its_commit_agree(
    deployment: Deployment, arm: Arm, point: str
) -> None:
    await deployment.start("worker")
    await deployment.start("monitor")
    dying = await arm("worker", point, "die")
    await _send(deployment, "first")
    sent = 1
    while dying.returncode is None:
        # The group gives the second worker its partitions when it wants to; until it has read one, more is sent.
        await _send(deployment, f"more {sent}")
        sent += 1
        await asyncio.sleep(0.2)
    await _dies(dying, deployment)
    await assert_everything_once(deployment, sent * DOCUMENTS)
