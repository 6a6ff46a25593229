"""History beside live documents, in one worker process: real servers, stub models."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import insert

from stream_worker.domain.documents import Document, decode
from stream_worker.local.ports import free_port
from stream_worker.local.servers import Servers
from stream_worker.settings import Settings, TopicName
from stream_worker.storage import schema
from stream_worker.verify.verification import verify
from tests.services.deployment import NOW, PARTITIONS, Deployment, deployed, document

HISTORY: TopicName = "documents-backfill"
WAITING = 3_000
#: Numbers of documents in either partition that a test keeps from being written.
BLOCKED = 1_000


@pytest.fixture
async def deployment(servers: Servers, settings: Settings, tmp_path: Path) -> AsyncIterator[Deployment]:
    async with deployed(settings, tmp_path / "logs") as deployment:
        yield deployment


def _receipts(deployment: Deployment, name: TopicName) -> str:
    return f"SELECT count(*) FROM receipts WHERE topic = '{deployment.settings.topic(name)}'"


async def _assert_everything_holds(deployment: Deployment) -> None:
    report = await verify(deployment.settings, read_bytes=True)
    assert report.holds, report.as_json()


async def _assert_committed_is_what_has_receipts(deployment: Deployment) -> None:
    """No worker runs: the committed offset of each partition of history is the number of its receipts."""
    counted = await deployment.rows(
        "SELECT partition, count(*) FROM receipts WHERE topic = :topic GROUP BY partition",
        topic=deployment.settings.topic(HISTORY),
    )
    committed = {partition: offset for partition, offset in (await deployment.committed(HISTORY)).items() if offset > 0}
    assert committed == dict(counted)


@asynccontextmanager
async def _blocked(deployment: Deployment, *messages: bytes) -> AsyncIterator[None]:
    """Inside, whoever writes one of these documents waits: an open transaction is writing it."""
    async with deployment.engine.connect() as connection:
        for message in messages:
            found = decode(message, NOW)
            assert isinstance(found, Document)
            columns = {
                name: getattr(found, name) for name in ("document_id", "content_digest", "source", "kind", "title")
            }
            await connection.execute(
                insert(schema.documents).values(**columns, published_at=found.published_at, received_at=NOW)
            )
        yield
        await connection.rollback()


async def test_history_is_linked_scored_and_windowed_like_live_documents(deployment: Deployment) -> None:
    await deployment.start("worker")
    await deployment.start("monitor")
    await deployment.send([document("Apple soars on record profit", id=str(n)) for n in range(3)])
    await deployment.until(_receipts(deployment, "documents"), 3)
    history = [document("Apple soars on record profit", id=str(n)) for n in range(2, 9)]
    await deployment.send([*history, b"no JSON"], to=HISTORY)
    await deployment.until(_receipts(deployment, HISTORY), 8)
    assert await deployment.outcomes() == {"accepted": 9, "duplicate": 1, "dead_letter": 1}
    assert await deployment.rows(
        "SELECT lane, count(*), count(DISTINCT document_id) FROM documents JOIN scores USING (document_id,"
        " content_digest) WHERE instrument_id <> '' GROUP BY 1 ORDER BY 1"
    ) == [("backfill", 6, 6), ("live", 3, 3)]
    await deployment.until("SELECT count(*) FROM dirty_marks", 0)
    assert await deployment.value("SELECT sum(documents) FROM windows WHERE instrument_id = ''") == 9
    async with asyncio.timeout(20):
        while sum((await deployment.committed(HISTORY)).values()) < 8:
            await asyncio.sleep(0.1)
    await _assert_everything_holds(deployment)


async def test_history_that_cannot_go_on_delays_no_live_document_and_a_stop_ends_in_time(
    deployment: Deployment,
) -> None:
    history = [document(f"Old headline {n}", n) for n in range(WAITING)]
    await deployment.send(history, to=HISTORY)
    async with _blocked(deployment, history[BLOCKED], history[BLOCKED + 1]):
        worker = await deployment.start("worker", drain_seconds=2)
        await deployment.until(f"SELECT ({_receipts(deployment, HISTORY)}) > 0", True)
        await deployment.send([document(f"New headline {n}", n) for n in range(500)])
        await deployment.until(_receipts(deployment, "documents"), 500, seconds=20)
        assert await deployment.value(_receipts(deployment, HISTORY)) < WAITING
        async with asyncio.timeout(15):
            assert await deployment.stop(worker) == 0, deployment.log_tail()
    assert sum((await deployment.committed()).values()) == 500
    await _assert_committed_is_what_has_receipts(deployment)
    await deployment.start("worker")
    await deployment.until("SELECT count(*) FROM receipts", WAITING + 500)
    assert await deployment.outcomes() == {"accepted": WAITING + 500}
    await _assert_everything_holds(deployment)


async def test_a_second_worker_takes_its_share_although_the_first_one_cannot_finish(deployment: Deployment) -> None:
    history = [document(f"Old headline {n}", n) for n in range(WAITING)]
    await deployment.send(history, to=HISTORY)
    async with _blocked(deployment, history[BLOCKED]):
        await deployment.start("worker", drain_seconds=2)
        await deployment.until(f"SELECT ({_receipts(deployment, HISTORY)}) > 0", True)
        await deployment.start("worker", drain_seconds=2)
        # The blocked document lies in partition 0; the other partition goes to one of the two, and gets done.
        other = f"{_receipts(deployment, HISTORY)} AND partition = 1"
        await deployment.until(other, WAITING // PARTITIONS, seconds=40)
    await deployment.until(_receipts(deployment, HISTORY), WAITING)
    assert await deployment.outcomes() == {"accepted": WAITING}
    async with asyncio.timeout(60):
        # One that is still starting knows no orderly stop.
        while not all('"event":"scoring"' in log.read_text() for log in deployment.logs.glob("worker-*.log")):
            await asyncio.sleep(0.1)
    for worker in list(deployment.workers):
        assert await deployment.stop(worker) == 0, deployment.log_tail()
    await _assert_committed_is_what_has_receipts(deployment)
    await _assert_everything_holds(deployment)


async def test_a_kill_loses_nothing_of_either_lane_and_counts_nothing_twice(deployment: Deployment) -> None:
    await deployment.send([document(f"Old headline {n}", n) for n in range(WAITING)], to=HISTORY)
    worker = await deployment.start("worker")
    await deployment.until(f"SELECT ({_receipts(deployment, HISTORY)}) > 500", True)
    await deployment.send([document(f"New headline {n}", n) for n in range(500)])
    await deployment.until(f"SELECT ({_receipts(deployment, 'documents')}) > 100", True)
    await deployment.stop(worker, signal.SIGKILL)
    await deployment.start("worker")
    await deployment.until("SELECT count(*) FROM receipts", WAITING + 500)
    assert await deployment.outcomes() == {"accepted": WAITING + 500}
    await _assert_everything_holds(deployment)


async def test_kafka_that_dies_and_comes_back_changes_no_count(deployment: Deployment, servers: Servers) -> None:
    await deployment.send([document(f"Old headline {n}", n) for n in range(WAITING)], to=HISTORY)
    worker = await deployment.start("worker")
    await deployment.until(f"SELECT ({_receipts(deployment, HISTORY)}) > 200", True)
    servers.kafka.kill()
    await asyncio.sleep(2)
    servers.kafka.spawn()
    await asyncio.to_thread(servers.kafka.wait_ready)
    await deployment.until(_receipts(deployment, HISTORY), WAITING)
    assert worker.returncode is None, deployment.log_tail()
    assert await deployment.outcomes() == {"accepted": WAITING}


async def test_history_that_is_all_bad_stands_still_and_live_documents_go_on(deployment: Deployment) -> None:
    await deployment.send([b"junk"] * 500, partition=0, to=HISTORY)
    port = free_port()
    worker = await deployment.start("worker", dead_letter_limit=200, worker_http_port=port)
    async with asyncio.timeout(30):
        while "history stands still" not in deployment.log_tail():
            await asyncio.sleep(0.1)
    await deployment.send([document(f"New headline {n}", n) for n in range(50)])
    await deployment.until(_receipts(deployment, "documents"), 50)
    assert await deployment.value(_receipts(deployment, HISTORY)) < 200
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        async with session.get("/readyz") as response:
            ready = await response.json(content_type=None)
        async with session.get("/metrics") as response:
            metrics = await response.text()
    assert ready["failing"] == ["history"]
    assert ready["checks"]["history"]["detail"].startswith("history stands still: 200 messages in a row on ")
    lags = re.findall(r'^finsentry_consumer_lag_messages{lane="backfill".* (\S+)$', metrics, re.MULTILINE)
    assert sum(map(float, lags)) > 300
    assert await deployment.stop(worker) == 0
    await deployment.start("worker", dead_letter_limit=0)
    await deployment.until(_receipts(deployment, HISTORY), 500)
    await _assert_everything_holds(deployment)


async def test_history_of_long_texts_is_scored_in_batches_of_few_bytes(deployment: Deployment) -> None:
    await deployment.send([document(f"Old headline {n} " + "and more " * 50, n) for n in range(200)], to=HISTORY)
    await deployment.start("worker", batch_bytes=2_000)
    await deployment.until(_receipts(deployment, HISTORY), 200)
    batches = await deployment.rows("SELECT count(*) FROM receipts GROUP BY batch_id")
    assert max(documents for (documents,) in batches) <= 4
    assert not [path for path in deployment.logs.iterdir() if "Traceback" in path.read_text()]
    await _assert_everything_holds(deployment)
