"""The monitor: marks become windows, windows become live state, and Redis can be emptied."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from stream_worker.settings import Clock, Settings
from stream_worker.storage.history_reader import HistoryReader, Question
from stream_worker.storage.live import FEED, board_key, live_key
from tests.services.deployment import Deployment, deployed, document

MINUTE = "2020-03-02T10:15:00Z"


@pytest.fixture
async def deployment(settings: Settings, tmp_path: Path) -> AsyncIterator[Deployment]:
    async with deployed(settings, tmp_path / "logs") as deployment:
        await deployment.start("worker")
        yield deployment


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    client: Redis = Redis.from_url(settings.require_redis_url())
    yield client
    await client.aclose()


async def _state(client: Redis, key: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while (state := await client.hget(key, "state")) is None:
            await asyncio.sleep(0.05)
    value: dict[str, Any] = json.loads(state)
    return value


async def test_scores_become_windows_and_live_state(deployment: Deployment, redis: Redis) -> None:
    await deployment.send([document("Apple profit soars", id=str(n)) for n in range(3)])
    await deployment.until("SELECT count(*) FROM receipts", 3)
    await deployment.start("monitor")
    await deployment.until("SELECT count(*) FROM dirty_marks", 0)
    assert await deployment.rows("SELECT documents, positive_documents FROM windows WHERE instrument_id = ''") == [
        (3, 3)
    ]
    await deployment.until("SELECT count(*) FROM publications", 0)
    market = await _state(redis, live_key(""))
    assert (market["documents"], market["positive_documents"]) == (3, 3)
    feed = await _state(redis, FEED)
    assert [d["text"] for d in feed["documents"]] == ["Apple profit soars"] * 3
    assert (await _state(redis, board_key("mentioned")))["rows"][0]["instrument_id"] == "apple"


async def test_a_correction_leaves_the_window_of_the_revision_it_replaces(deployment: Deployment) -> None:
    first = document("Profit soars", id="1", published_at=MINUTE)
    await deployment.send([first])
    await deployment.until("SELECT count(*) FROM receipts", 1)
    await deployment.start("monitor")
    await deployment.until("SELECT count(*) FROM windows", 1)
    later = "2020-03-02T11:00:00Z"
    await deployment.send([document("Loss, fraud", id="1", published_at=later, updated_at=later)])
    await deployment.until("SELECT max(minute) > '2020-03-02T10:59:00Z' FROM windows", True)
    assert await deployment.rows("SELECT documents, negative_documents FROM windows") == [(1, 1)]


async def test_an_unscored_correction_takes_its_document_out_of_the_windows(deployment: Deployment) -> None:
    await deployment.start("monitor")
    await deployment.send([document("Profit soars", id="1", published_at=MINUTE)])
    await deployment.until("SELECT count(*) FROM windows", 1)
    german = "Die Aktien der Deutschen Bank steigen nach den Zahlen um drei Prozent"
    await deployment.send([document(german, id="1", published_at=MINUTE, updated_at="2020-03-02T12:00:00Z")])
    await deployment.until("SELECT count(*) FROM windows", 0)


async def test_an_older_revision_that_comes_late_changes_no_window(deployment: Deployment) -> None:
    newer = document("Loss, fraud", id="1", published_at=MINUTE, updated_at="2020-03-02T12:00:00Z")
    await deployment.send([newer])
    await deployment.until("SELECT count(*) FROM receipts", 1)
    await deployment.send([document("Profit soars", id="1", published_at=MINUTE)])
    await deployment.until("SELECT count(*) FROM receipts", 2)
    await deployment.start("monitor")
    await deployment.until("SELECT count(*) FROM dirty_marks", 0)
    assert await deployment.rows("SELECT documents, negative_documents FROM windows") == [(1, 1)]


async def test_redis_refills_by_itself_after_flushall(deployment: Deployment, redis: Redis) -> None:
    await deployment.start("monitor")
    await deployment.send([document("Apple profit soars", id=str(n)) for n in range(3)])
    assert (await _state(redis, live_key("apple")))["documents"] > 0
    await deployment.until("SELECT coalesce(sum(documents), 0) FROM windows WHERE instrument_id = 'apple'", 3)
    await deployment.until("SELECT count(*) FROM publications", 0)
    keys = set(await redis.keys("finsentry:*"))
    await redis.flushdb()
    async with asyncio.timeout(20):
        while set(await redis.keys("finsentry:*")) != keys:
            await asyncio.sleep(0.1)
    assert (await _state(redis, live_key("apple")))["documents"] == 3


async def test_two_monitors_beside_each_other_agree_with_a_recomputation(deployment: Deployment) -> None:
    await deployment.start("monitor")
    await deployment.start("monitor")
    await deployment.send([document(f"Apple {'profit' if n % 2 else 'loss'} {n}", n, id=str(n)) for n in range(600)])
    await deployment.until("SELECT count(*) FROM receipts", 600)
    await deployment.until("SELECT count(*) FROM dirty_marks", 0)
    assert await deployment.value("SELECT sum(documents) FROM windows WHERE instrument_id = ''") == 600
    assert await deployment.value("SELECT sum(documents) FROM windows WHERE instrument_id = 'apple'") == 600


@pytest.mark.parametrize("clock", list(Clock))
async def test_one_clock_rules_live_state_its_time_to_live_and_the_history(
    deployment: Deployment, redis: Redis, clock: Clock
) -> None:
    await deployment.send([document("Apple profit soars", id=str(n), published_at=MINUTE) for n in range(3)])
    await deployment.send([document("Apple loss", id="day before", published_at="2020-03-01T10:14:00Z")])
    await deployment.until("SELECT count(*) FROM receipts", 4)
    await deployment.start("monitor", clock=clock)
    apple = await _state(redis, live_key("apple"))
    history = HistoryReader(deployment.settings.require_database_url(), clock)
    day = Question("apple", timedelta(days=1), timedelta(minutes=5))
    shown = await asyncio.to_thread(history.history, day, 10)
    history.close()
    if clock is Clock.STREAM:
        assert apple["documents"] == 3
        assert (await _state(redis, FEED))["as_of"].startswith("2020-03-02T10:15:00")
        assert shown.as_of == datetime(2020, 3, 2, 10, 15, tzinfo=UTC)
        assert len(shown.documents) == 3
        assert await redis.ttl(live_key("apple")) == -1
    else:
        assert apple["documents"] == 0
        assert shown.documents == ()
        assert 23 * 3600 < await redis.ttl(live_key("apple")) <= 24 * 3600
