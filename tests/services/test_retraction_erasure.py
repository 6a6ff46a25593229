"""A document is corrected, taken back, erased: what counts afterwards, and what is left of its text."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.domain.documents import identity
from stream_worker.settings import Settings
from stream_worker.storage import batches
from stream_worker.storage.erasure import erase
from stream_worker.verify.verification import verify
from tests.services.deployment import NOW, Deployment, deployed, document, environment

FIRST = "2026-11-01T10:00:00Z"
WINDOWS = "SELECT coalesce(sum(documents), 0) FROM windows WHERE instrument_id = ''"


@pytest.fixture
async def deployment(settings: Settings, tmp_path: Path) -> AsyncIterator[Deployment]:
    """Worker and monitor running."""
    async with deployed(settings, tmp_path / "logs") as deployment:
        await deployment.start("worker")
        await deployment.start("monitor")
        yield deployment


def _news(title: str, **fields: Any) -> bytes:
    return document(title, **({"id": "1", "published_at": FIRST} | fields))


def _retraction(**fields: Any) -> bytes:
    return document("", **({"op": "retract", "id": "1", "title": None, "updated_at": "2026-11-01T12:00:00Z"} | fields))


async def _settled(deployment: Deployment, receipts: int, counted: int) -> None:
    await deployment.until("SELECT count(*) FROM receipts", receipts)
    await deployment.until("SELECT count(*) FROM dirty_marks", 0)
    await deployment.until(WINDOWS, counted)
    report = await verify(deployment.settings, read_bytes=True)
    assert report.holds, report.as_json()


async def _finsentry(deployment: Deployment, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stream_worker.cli", *arguments),
        env=environment(deployment.settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    return output


async def test_a_retraction_takes_its_document_out_of_the_windows_and_a_later_revision_puts_it_back(
    deployment: Deployment,
) -> None:
    await deployment.send([_news("Profit up"), _news("Loss", id="2")], partition=0)
    await _settled(deployment, 2, 2)
    await deployment.send([_retraction()], partition=0)
    await _settled(deployment, 3, 1)
    retractions = [m for m in await deployment.published("scores") if m["schema"] == "finsentry.retraction/1"]
    assert [m["document_id"] for m in retractions] == [identity("test", "1", None)]
    await deployment.send([_news("Profit up after all", updated_at="2026-11-01T13:00:00Z")], partition=0)
    await _settled(deployment, 4, 2)


async def test_a_retraction_counts_whatever_the_order_of_arrival_and_wins_a_tie(deployment: Deployment) -> None:
    same_time = "2026-11-01T12:00:00Z"
    await deployment.send([_retraction(), _retraction(), _news("Profit up"), _news("Up", updated_at=same_time)], 0)
    await _settled(deployment, 4, 0)
    assert await deployment.outcomes() == {"accepted": 3, "duplicate": 1}


async def test_a_document_without_id_is_retracted_by_its_text(deployment: Deployment) -> None:
    await deployment.send([_news("Profit up", id=None)], partition=0)
    await _settled(deployment, 1, 1)
    await deployment.send([_retraction(id=None, title="Profit up", published_at=FIRST)], partition=0)
    await _settled(deployment, 2, 0)


async def test_both_revisions_of_a_corrected_document_stay_readable(deployment: Deployment) -> None:
    await deployment.send([_news("Profit up"), _news("Loss", updated_at="2026-11-01T11:00:00Z")], partition=0)
    await _settled(deployment, 2, 1)
    shown = await _finsentry(deployment, "show", "--source", "test", "--id", "1")
    assert shown.index("title: Profit up") < shown.index("current revision") < shown.index("title: Loss")
    assert shown.count("as a whole") == 2


async def test_an_erased_text_is_gone_everywhere_and_does_not_come_back(deployment: Deployment, redis_url: str) -> None:
    secret = "Zanzibar shipyard profit"
    bad = _news(f"{secret} again", kind="rumour")
    await deployment.send([_news(secret, author="Jo", url="https://e.org/zan"), bad, _news("Other", id="2")], 0)
    await _settled(deployment, 3, 2)
    await _finsentry(deployment, "erase", "--source", "test", "--id", "1", "--reason", "asked for", "--yes")
    await deployment.send(
        [_news(f"{secret} corrected", updated_at="2026-11-01T11:00:00Z"), _news(secret, author="Jo"), _retraction()], 0
    )
    broken = _news(secret, author="Jo")[:-1] + b","
    await deployment.send([bad, broken.replace(b'"id": "1"', b'"id": "9"')], 0)
    await _settled(deployment, 8, 1)
    assert await deployment.outcomes() == {"accepted": 3, "dead_letter": 3, "erased": 1, "duplicate": 1}
    await _finsentry(deployment, "erase", "--source", "test", "--id", "9", "--reason", "asked for", "--yes")
    for needle in ("Zanzibar", "Jo", "e.org/zan"):
        assert await _tables_with(deployment, needle) == []
        assert needle not in await _everything_in_redis(redis_url)


async def test_a_document_may_be_erased_before_it_comes(deployment: Deployment) -> None:
    url = "https://e.org/1"
    await _finsentry(
        deployment, "erase", "--source", "test", "--url", url, "--reason", "asked for", "--yes", "--before-it-comes"
    )
    await deployment.send([_news("Profit up", id=None, url=url), _news("Other", id="2")], partition=0)
    await _settled(deployment, 2, 1)
    assert await deployment.outcomes() == {"erased": 1, "accepted": 1}
    assert await _tables_with(deployment, "Profit up") == []


async def _tables_with(deployment: Deployment, needle: str) -> list[str]:
    """The tables of which some row holds the needle, in text or in bytes; the names of instruments are no documents."""
    tables = await deployment.rows(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'instrument_revisions'"
    )
    found = []
    for (table,) in tables:
        spelled = "(t::text LIKE :text OR t::text LIKE '%' || encode(convert_to(:needle, 'UTF8'), 'hex') || '%')"
        query = f"SELECT count(*) FROM {table} t WHERE {spelled}"
        if await deployment.value(query, text=f"%{needle}%", needle=needle):
            found.append(table)
    return found


async def _everything_in_redis(url: str) -> str:
    async with Redis.from_url(url, decode_responses=True) as client:
        hashes = [key async for key in client.scan_iter(_type="HASH")]
        assert hashes
        return str([await client.hgetall(key) for key in hashes])


async def test_erasing_waits_for_a_writer_that_has_looked_for_erasures_before(engine: AsyncEngine) -> None:
    words = ("Zanzibar", None, None, "en")
    row = ("d", b"1", False, "test", "1", "news", None, *words, NOW, None, NOW, "language", None, "live")
    async with engine.connect() as writer:
        await batches.insert_revisions(writer, [row])
        assert await batches.erased_documents(writer, ["d"]) == set()
        erasing = asyncio.create_task(erase(engine, "d", None, "asked for", NOW))
        async with engine.connect() as observer, asyncio.timeout(20):
            while not await observer.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                await asyncio.sleep(0.01)
        await writer.commit()
    assert (await erasing).revisions == 1
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT title FROM documents")) is None
        assert await batches.erased_documents(connection, ["d"]) == {"d"}


async def test_erasing_a_document_that_has_no_name_leaves_the_dead_letters_of_its_source_alone(
    engine: AsyncEngine,
) -> None:
    nameless = ("d", b"1", False, "test", None, "news", None, "Zanzibar", None, None, "en", NOW, None, NOW, "language")
    broken = b'{"source": "test", "id": "other", "title": "cut off'
    async with engine.begin() as connection:
        await batches.insert_revisions(connection, [(*nameless, None, "live")])
        await batches.insert_dead_letters(connection, [("t", 0, 1, "not_json", "", None, broken, NOW, None)])
    for _ in range(2):
        assert (await erase(engine, "d", None, "asked for", NOW)).dead_letters == 0
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT payload FROM dead_letters")) == broken
