"""Batches leave when full or due, and are acknowledged in order. The pipeline here is a stand-in that the tests steer:
the real one is tested against real servers in tests/services."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from stream_worker.pipelines.batch import Batch, Emissions, Message
from stream_worker.pipelines.micro_batches import Limits, MicroBatches
from stream_worker.pipelines.scoring import ScoringPipeline


class SteeredPipeline:
    """Prepares at once, commits when told to."""

    def __init__(self) -> None:
        self.prepared: list[list[int]] = []
        self.committed: list[list[int]] = []
        self.may_commit = asyncio.Event()
        self.may_commit.set()
        self.error: Exception | None = None

    async def prepare(self, batch_id: str, messages: Sequence[Message]) -> Batch:
        self.prepared.append([m.offset for m in messages])
        return Batch(batch_id, [], redelivered=[m.position for m in messages])

    async def commit(self, batch: Batch) -> Emissions:
        await self.may_commit.wait()
        if self.error is not None:
            raise self.error
        self.committed.append([offset for _, _, offset in batch.redelivered])
        return Emissions()

    async def emit(self, emissions: Emissions) -> None:
        pass


class Harness:
    """MicroBatches with what they acknowledged and how they failed."""

    def __init__(self, **limits: float) -> None:
        self.pipeline = SteeredPipeline()
        self.acknowledged: list[int] = []
        self.failures: list[BaseException] = []
        settings = {"documents": 3, "bytes": 1000, "wait_seconds": 0.05, "in_flight": 2} | limits
        self.batches = MicroBatches(
            cast("ScoringPipeline", self.pipeline),
            Limits(**settings),  # type: ignore[arg-type]
            acknowledge=lambda messages: self.acknowledged.extend(m.offset for m in messages),
            fail=self.failures.append,
        )

    async def put(self, *offsets: int, size: int = 1) -> None:
        for offset in offsets:
            await self.batches.put(Message("documents", 0, offset, None, b"x" * size))


async def test_a_full_batch_leaves_at_once() -> None:
    harness = Harness(wait_seconds=60)
    await harness.put(0, 1, 2, 3)
    await asyncio.sleep(0.01)
    assert harness.acknowledged == [0, 1, 2]


async def test_a_batch_leaves_when_it_holds_many_bytes() -> None:
    harness = Harness(wait_seconds=60)
    await harness.put(0, 1, size=500)
    await asyncio.sleep(0.01)
    assert harness.acknowledged == [0, 1]


async def test_a_batch_leaves_when_its_first_message_has_waited_the_budget() -> None:
    harness = Harness(wait_seconds=0.05)
    await harness.put(0)
    await asyncio.sleep(0.03)
    await harness.put(1)
    assert harness.acknowledged == []
    await asyncio.sleep(0.04)
    assert harness.acknowledged == [0, 1]


async def test_messages_wait_behind_a_full_batch_that_cannot_leave() -> None:
    harness = Harness()
    harness.pipeline.may_commit.clear()
    await harness.put(0, 1, 2, 3, 4, 5, 6, 7, 8)
    waiting = asyncio.create_task(harness.put(9))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    assert harness.pipeline.prepared == [[0, 1, 2], [3, 4, 5]]
    harness.pipeline.may_commit.set()
    await waiting
    await harness.batches.drain(1)
    assert harness.acknowledged == list(range(10))


async def test_an_overdue_batch_grows_while_others_are_under_way_and_leaves_after_them() -> None:
    harness = Harness(wait_seconds=0.01)
    harness.pipeline.may_commit.clear()
    await harness.put(0, 1, 2, 3, 4, 5, 6)
    await asyncio.sleep(0.03)
    await harness.put(7)
    assert harness.pipeline.prepared == [[0, 1, 2], [3, 4, 5]]
    harness.pipeline.may_commit.set()
    async with asyncio.timeout(5):
        while len(harness.acknowledged) < 8:
            await asyncio.sleep(0.001)
    assert harness.pipeline.prepared[2:] == [[6, 7]]
    assert harness.acknowledged == list(range(8))


async def test_a_failed_batch_stops_all_behind_it_unacknowledged() -> None:
    harness = Harness()
    harness.pipeline.error = ValueError("no")
    await harness.put(0, 1, 2, 3, 4, 5)
    await asyncio.sleep(0.02)
    assert harness.acknowledged == []
    assert harness.pipeline.committed == []
    assert harness.failures
    assert isinstance(harness.failures[0], ValueError)


async def test_a_drain_that_runs_out_of_time_abandons_and_drops_what_waits_behind() -> None:
    harness = Harness()
    harness.pipeline.may_commit.clear()
    await harness.put(0, 1, 2, 3, 4, 5, 6, 7, 8)
    waiting = asyncio.create_task(harness.put(9))
    await asyncio.sleep(0.01)
    assert not await harness.batches.drain(0.02)
    harness.pipeline.may_commit.set()
    await waiting
    await asyncio.sleep(0.1)
    assert harness.acknowledged == []
    assert harness.failures == []


@pytest.mark.parametrize("messages", [1, 2, 3, 7])
async def test_a_drain_finishes_what_was_put(messages: int) -> None:
    harness = Harness(wait_seconds=60)
    await harness.put(*range(messages))
    assert await harness.batches.drain(1)
    assert harness.acknowledged == list(range(messages))
