"""Two workers that hold the same messages for a moment, as after a rebalance: real Postgres, stub models."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import cast

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.assembly import assessor_from
from stream_worker.errors import TopicRecreated
from stream_worker.inference.opening import open_onnx_analyzer
from stream_worker.pipelines.batch import Message
from stream_worker.pipelines.emission import Emitter
from stream_worker.pipelines.scoring import ScoringPipeline
from stream_worker.settings import Settings
from stream_worker.storage import schema
from tests.services.deployment import document


@pytest.fixture
async def pipeline(settings: Settings, engine: AsyncEngine) -> AsyncIterator[ScoringPipeline]:
    """Nothing is emitted here, so that it needs no producer."""
    async with open_onnx_analyzer(settings) as analyzer:
        yield ScoringPipeline(
            engine,
            assessor_from(analyzer),
            cast("Emitter", None),
            now=lambda: datetime.now(UTC),
            code_version="test",
            dead_letter_limit=1000,
        )


def messages(*values: bytes) -> list[Message]:
    return [Message("documents", 0, offset, None, value) for offset, value in enumerate(values)]


async def test_a_batch_that_another_worker_commits_first_is_written_once_and_emitted_by_both(
    pipeline: ScoringPipeline, engine: AsyncEngine
) -> None:
    both = (document("Apple soars", 1), b"no JSON", document("Nokia cuts its outlook", 2))
    first = await pipeline.prepare("first", messages(*both))
    second = await pipeline.prepare("second", messages(*both, document("Fortis falls", 3)))
    by_first = await pipeline.commit(first)
    by_second = await pipeline.commit(second)
    emitted_first, emitted_second = ({score.score_id for score in e.scores} for e in (by_first, by_second))
    assert emitted_first < emitted_second
    assert [letter.offset for letter, _ in by_first.dead_letters] == [1]
    assert [letter.offset for letter, _ in by_second.dead_letters] == [1]
    async with engine.connect() as connection:
        receipts = schema.receipts.c
        rows = await connection.execute(select(receipts.batch_id, receipts.outcome).order_by(receipts.kafka_offset))
        assert [tuple(row) for row in rows] == [
            ("first", "accepted"),
            ("first", "dead_letter"),
            ("first", "accepted"),
            ("second", "accepted"),
        ]
        scores = await connection.scalar(select(func.count()).select_from(schema.scores))
    assert scores == len(emitted_second)


async def test_other_bytes_under_an_offset_that_another_worker_commits_first_stop_the_worker(
    pipeline: ScoringPipeline,
) -> None:
    first = await pipeline.prepare("first", messages(document("Apple soars", 1)))
    second = await pipeline.prepare("second", messages(document("Apple falls", 2)))
    await pipeline.commit(first)
    with pytest.raises(TopicRecreated):
        await pipeline.commit(second)
