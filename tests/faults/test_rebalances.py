"""A worker that is slow, deaf or thought dead when its partitions move: its successor and it never count twice."""

import asyncio
import signal
from pathlib import Path

from tests.faults.conftest import Arm, assert_everything_once, assert_holds
from tests.services.deployment import Deployment, document

DOCUMENTS = 600


async def _reached(file: Path) -> None:
    async with asyncio.timeout(60):
        while not file.exists():
            await asyncio.sleep(0.02)


async def _send(deployment: Deployment, part: str = "") -> None:
    await deployment.send([document(f"Apple loss {part}{n}", n, id=f"{part}{n}") for n in range(DOCUMENTS)])


async def test_a_batch_that_hangs_is_abandoned_at_a_rebalance_and_done_by_the_successor(
    deployment: Deployment, arm: Arm, tmp_path: Path
) -> None:
    held = tmp_path / "held"
    await _send(deployment)
    await arm("worker", "inferred", "hold", held, drain_seconds=2)
    await _reached(held)
    await deployment.start("worker")
    # The drain of the first one is over when the second one has partitions.
    await deployment.until("SELECT count(*) > 0 FROM receipts", True)
    await assert_holds(deployment)
    held.unlink()
    await deployment.start("monitor")
    await assert_everything_once(deployment, DOCUMENTS)


async def test_a_frozen_worker_that_wakes_up_behind_its_successor_writes_nothing_twice(
    deployment: Deployment, arm: Arm, tmp_path: Path
) -> None:
    frozen = tmp_path / "frozen"
    await _send(deployment)
    zombie = await arm("worker", "inferred", "freeze", frozen)
    await _reached(frozen)
    # Its heartbeats stop as well, and the group gives it up.
    zombie.send_signal(signal.SIGSTOP)
    await deployment.start("worker")
    await deployment.until("SELECT count(*) FROM receipts", DOCUMENTS, seconds=90)
    frozen.unlink()
    zombie.send_signal(signal.SIGCONT)
    await _send(deployment, "later ")
    await deployment.start("monitor")
    await assert_everything_once(deployment, 2 * DOCUMENTS)


async def test_a_worker_that_is_told_to_stop_in_the_middle_of_a_transaction_ends_in_time(
    deployment: Deployment, arm: Arm, tmp_path: Path
) -> None:
    held = tmp_path / "held"
    await _send(deployment)
    worker = await arm("worker", "in the transaction", "hold", held, drain_seconds=2)
    await _reached(held)
    async with asyncio.timeout(30):
        await deployment.stop(worker)
    assert await deployment.value("SELECT count(*) FROM receipts") == 0
    await deployment.start("worker")
    await deployment.start("monitor")
    await assert_everything_once(deployment, DOCUMENTS)
