"""The scoring worker as a process, against real servers with the stub models."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from stream_worker.domain.wire import Name, wire_schema
from stream_worker.settings import Settings
from tests.services.deployment import Deployment, deployed, document


@pytest.fixture
async def deployment(settings: Settings, tmp_path: Path) -> AsyncIterator[Deployment]:
    async with deployed(settings, tmp_path / "logs") as deployment:
        yield deployment


async def test_a_document_becomes_a_receipt_a_score_and_a_published_message(deployment: Deployment) -> None:
    await deployment.start("worker")
    await deployment.send([document("Apple shares soar on record profit")])
    await deployment.until("SELECT count(*) FROM receipts", 1)
    assert await deployment.outcomes() == {"accepted": 1}
    (score,) = await deployment.rows("SELECT score_id, positive > negative FROM scores WHERE instrument_id = ''")
    assert score[1]
    assert await deployment.value("SELECT latency_seconds BETWEEN 0.001 AND 60 FROM receipts")
    await deployment.until("SELECT count(*) FROM dirty_marks", 1)
    async with asyncio.timeout(10):
        while not (published := await deployment.published("scores")):
            await asyncio.sleep(0.1)
    assert score[0] in {message["score_id"] for message in published}


async def test_copies_are_duplicates_and_corrections_are_revisions(deployment: Deployment) -> None:
    first = document("Profit up", id="1")
    correction = document("Profit down after all", id="1", updated_at="2020-01-01T00:00:00Z")
    await deployment.send([first, first, correction, first, correction], partition=0)
    await deployment.start("worker")
    await deployment.until("SELECT count(*) FROM receipts", 5)
    assert await deployment.outcomes() == {"accepted": 2, "duplicate": 3}
    assert await deployment.value("SELECT count(DISTINCT document_id) FROM documents") == 1
    assert await deployment.value("SELECT count(*) FROM scores WHERE instrument_id = ''") == 2


async def test_bad_messages_become_dead_letters_and_the_rest_of_their_batch_goes_on(deployment: Deployment) -> None:
    bad = [b"\xff\xfe", b"[]", b"{", b'{"source":"a"}', None, b"", document("a\0b"), b'{"title":"\\ud800"}']
    good = [document(f"Profit {number}", number) for number in range(8)]
    await deployment.send([message for pair in zip(bad, good, strict=True) for message in pair], partition=0)
    await deployment.start("worker")
    await deployment.until("SELECT count(*) FROM receipts", 16)
    assert await deployment.outcomes() == {"accepted": 8, "dead_letter": 8}
    stored = {row[0] for row in await deployment.rows("SELECT payload FROM dead_letters")}
    assert stored == set(bad)
    assert (
        await deployment.value(
            "SELECT count(*) FROM dead_letters JOIN receipts USING (topic, partition, kafka_offset, reason)"
        )
        == 8
    )


async def test_a_foreign_producer_is_served_and_what_leaves_follows_the_schemas(deployment: Deployment) -> None:
    """Plain aiokafka: no key, compressed, headers, fields that nobody knows, and a version that is still to come."""
    bootstrap = deployment.settings.require_kafka_bootstrap()
    messages = [
        document("Apple profit soars", id="1", ticker_hint="AAPL", nested={"list": [1, {"deep": None}]}),
        document("Loss", id="2", schema="finsentry.document/1.9"),
        document("Gewinn", id="3", schema="finsentry.document/2"),
        document("", id="1", op="retract", title=None, updated_at="2020-01-01T00:00:00Z"),
    ]
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type="gzip") as foreign:
        for message in messages:
            topic = deployment.settings.topic("documents")
            await foreign.send_and_wait(topic, message, headers=[("trace", b"1")], partition=0)
    await deployment.start("worker")
    await deployment.until("SELECT count(*) FROM receipts", len(messages))
    assert await deployment.outcomes() == {"accepted": 3, "dead_letter": 1}
    assert await deployment.value("SELECT reason FROM receipts WHERE outcome = 'dead_letter'") == "unknown_schema"
    names: tuple[Name, ...] = ("score", "retraction", "dead-letter")
    schemas = {wire_schema(name).id: wire_schema(name) for name in names}
    published: list[dict[str, Any]] = []
    async with asyncio.timeout(10):
        while {message["schema"] for message in published} != set(schemas):
            published = [*await deployment.published("scores"), *await deployment.published("dead-letters")]
    assert all(schemas[message["schema"]].is_valid(message) for message in published)


async def test_text_in_another_language_is_stored_unscored(deployment: Deployment) -> None:
    await deployment.send([document("Die Aktien der Deutschen Bank steigen nach den Zahlen um drei Prozent")])
    await deployment.start("worker")
    await deployment.until("SELECT count(*) FROM receipts", 1)
    assert await deployment.rows("SELECT unscored_reason FROM documents") == [("other_language",)]
    assert await deployment.value("SELECT count(*) FROM scores") == 0


async def test_sigterm_finishes_what_is_in_flight_and_repeats_nothing(deployment: Deployment) -> None:
    await deployment.send([document(f"Headline {n}", n) for n in range(2000)])
    worker = await deployment.start("worker")
    await deployment.until("SELECT count(*) > 300 FROM receipts", True)
    assert await deployment.stop(worker) == 0, deployment.log_tail()
    receipts = await deployment.value("SELECT count(*) FROM receipts")
    assert sum((await deployment.committed()).values()) == receipts
    await deployment.start("worker")
    await deployment.until("SELECT count(*) FROM receipts", 2000)
    assert await deployment.outcomes() == {"accepted": 2000}


async def test_kills_at_random_moments_lose_nothing_and_count_nothing_twice(deployment: Deployment) -> None:
    seeded = random.Random(7)
    await deployment.send([document(f"Headline {n}", n) for n in range(3000)])
    for _ in range(4):
        worker = await deployment.start("worker")
        before = await deployment.value("SELECT count(*) FROM receipts")
        await deployment.until(f"SELECT count(*) > {before} FROM receipts", True)
        await asyncio.sleep(seeded.uniform(0, 0.3))
        await deployment.stop(worker, 9)
    await deployment.start("worker")
    await deployment.until("SELECT count(*) FROM receipts", 3000)
    assert await deployment.outcomes() == {"accepted": 3000}
    assert await deployment.value("SELECT count(*) FROM scores WHERE instrument_id = ''") == 3000
    async with asyncio.timeout(20):
        while sum((await deployment.committed()).values()) < 3000:
            await asyncio.sleep(0.2)
    published = {m["score_id"] for m in await deployment.published("scores")}
    assert published == {row[0] for row in await deployment.rows("SELECT score_id FROM scores")}


async def test_input_that_is_all_bad_stops_the_worker_and_stays_unread(deployment: Deployment) -> None:
    await deployment.send([b"junk"] * 500, partition=0)
    for _ in range(2):
        worker = await deployment.start("worker", dead_letter_limit=200)
        async with asyncio.timeout(30):
            assert await worker.wait() == 1
        assert "200 messages in a row" in deployment.log_tail()
        deployment.workers.clear()
    assert await deployment.value("SELECT count(*) FROM receipts") < 200
    await deployment.start("worker", dead_letter_limit=0)
    await deployment.until("SELECT count(*) FROM receipts", 500)


async def test_a_topic_made_anew_under_the_same_name_stops_the_worker(deployment: Deployment) -> None:
    await deployment.send([document("Profit up")], partition=0)
    worker = await deployment.start("worker")
    await deployment.until("SELECT count(*) FROM receipts", 1)
    await deployment.stop(worker)
    async with deployment.engine.begin() as connection:
        from sqlalchemy import text

        await connection.execute(text("UPDATE receipts SET message_digest = 'other'"))
    worker = await deployment.start("worker", consumer_group="again")
    async with asyncio.timeout(30):
        assert await worker.wait() == 1
    assert "made anew" in deployment.log_tail()
    deployment.workers.clear()
