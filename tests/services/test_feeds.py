"""Feeds end to end: a web server, well or badly behaved, into Kafka, with state in Postgres."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from aiohttp import ClientSession, web
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.ingest.feeds import publishing
from stream_worker.ingest.topics import apply_topics
from stream_worker.local.kafka import Kafka
from stream_worker.local.ports import Ports
from stream_worker.local.postgres import Postgres
from stream_worker.local.process import wait_until_gone
from stream_worker.settings import Settings
from tests.feed_server import NOW, FeedServer, endless, feed_server, item, reset, rss, silent
from tests.services.feeds_deployment import FeedsDeployment

ETAG = {"ETag": '"v1"', "Last-Modified": "Tue, 24 Nov 2026 10:00:00 GMT"}


@pytest.fixture
async def feeds(
    engine: AsyncEngine, database_url: str, kafka_bootstrap: str, topic_prefix: str, tmp_path: Path
) -> AsyncIterator[FeedsDeployment]:
    settings = Settings(
        database_url=SecretStr(database_url),
        kafka_bootstrap=kafka_bootstrap,
        topic_prefix=topic_prefix,
        topic_partitions=1,
        feeds=tmp_path / "feeds.toml",
        feeds_private_networks="127.0.0.0/8",
        feeds_host_interval_seconds=0.0,
        feeds_http_port=0,
    )
    await apply_topics(settings)
    async with feed_server() as server:
        yield FeedsDeployment(settings, engine, server, tmp_path / "feeds.toml")


async def test_entries_become_documents_on_the_documents_topic(feeds: FeedsDeployment) -> None:
    feeds.server.serve("/a", rss(item(1), item(2)))
    feeds.list_feeds({"a": feeds.server.url("/a")}, kind="comment", lang="en")
    async with feeds.running():
        await feeds.first_turns(1)
    second, first = await feeds.documents()
    assert (first.source, first.kind, first.language, first.source_id) == ("test", "comment", "en", "urn:1")
    assert (first.title, second.title) == ("Apple raises its outlook 1", "Apple raises its outlook 2")
    assert [key for key, _ in await feeds.messages()] == [b"urn:2", b"urn:1"]


async def test_a_feed_that_has_not_changed_costs_nothing_also_after_a_restart(feeds: FeedsDeployment) -> None:
    feeds.server.serve("/a", rss(item(1), item(2)), headers=ETAG)
    feeds.list_feeds({"a": feeds.server.url("/a")})
    async with feeds.running():
        await feeds.first_turns(1)
        await feeds.turn("a")
    async with feeds.running():
        await feeds.turn("a")
    assert feeds.server.asked("/a") == 3
    assert all(headers["If-None-Match"] == '"v1"' for headers in feeds.server.requests["/a"][1:])
    assert all("If-Modified-Since" in headers for headers in feeds.server.requests["/a"][1:])
    assert len(await feeds.messages()) == 2


async def test_without_validators_only_what_is_new_is_published(feeds: FeedsDeployment) -> None:
    feeds.server.serve("/a", rss(item(2), item(3)))
    feeds.list_feeds({"a": feeds.server.url("/a")})
    async with feeds.running():
        await feeds.first_turns(1)
        await feeds.turn("a")
        feeds.server.serve("/a", rss(item(1), item(2)))
        await feeds.turn("a")
    assert await feeds.titles() == [f"Apple raises its outlook {number}" for number in (1, 2, 3)]


async def test_a_changed_entry_is_a_correction_and_the_same_words_are_none(feeds: FeedsDeployment) -> None:
    feeds.server.serve("/a", rss(item(1, "Apple soars"), item(2)))
    feeds.list_feeds({"a": feeds.server.url("/a")})
    async with feeds.running():
        await feeds.first_turns(1)
        feeds.server.serve("/a", rss(item(1, "Apple sinks"), item(2, category="new, but no words of it")))
        await feeds.turn("a")
    second, first, correction = await feeds.documents()
    assert (first.title, correction.title) == ("Apple soars 1", "Apple sinks 1")
    assert first.document_id == correction.document_id != second.document_id
    assert first.published_at == correction.published_at
    assert correction.updated_at is not None
    assert correction.updated_at >= NOW


async def test_a_crash_between_kafka_and_postgres_repeats_and_loses_nothing(
    feeds: FeedsDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashed = asyncio.Event()

    async def crash(*_: object) -> None:
        crashed.set()
        raise ConnectionResetError("Postgres is away")

    feeds.server.serve("/a", rss(item(1), item(2)), headers=ETAG)
    feeds.list_feeds({"a": feeds.server.url("/a")})
    async with feeds.running():
        with monkeypatch.context() as patch:
            patch.setattr(publishing, "remember", crash)
            await asyncio.wait_for(crashed.wait(), 30)
        assert await feeds.rows("SELECT etag, body_digest FROM feeds") == [(None, None)]
        await feeds.change("UPDATE feeds SET claimed_until = now()")  # Its lease has run out.
        await feeds.first_turns(1)
    assert await feeds.titles() == [f"Apple raises its outlook {number}" for number in (1, 1, 2, 2)]
    assert len({document.document_id for document in await feeds.documents()}) == 2


async def test_nothing_is_noted_before_kafka_has_it(feeds: FeedsDeployment, kafka: Kafka) -> None:
    feeds.server.serve("/a", rss(item(1)), headers=ETAG)
    feeds.list_feeds({"a": feeds.server.url("/a")})
    async with feeds.running():
        await feeds.first_turns(1)
        feeds.server.serve("/a", rss(item(1), item(2)))
        kafka.kill()
        try:
            await feeds.change("UPDATE feeds SET due_at = now(), asked_at = NULL")
            await feeds.until("SELECT claimed_by IS NOT NULL FROM feeds", True)
            while feeds.server.asked("/a") < 2:
                await asyncio.sleep(0.02)
            await asyncio.sleep(1.0)
            assert await feeds.rows("SELECT count(*) FROM feed_entries") == [(1,)]
        finally:
            kafka.spawn()
            await asyncio.to_thread(kafka.wait_ready)
        await feeds.until("SELECT count(*) FROM feed_entries", 2, seconds=60)
    assert await feeds.titles() == ["Apple raises its outlook 1", "Apple raises its outlook 2"]


async def test_a_postgres_that_dies_and_comes_back_is_waited_for(feeds: FeedsDeployment, postgres: Postgres) -> None:
    asked = asyncio.Event()
    restarted = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        asked.set()
        await restarted.wait()
        return web.Response(body=rss(item(1)))

    feeds.server.handle("/a", slow)
    feeds.list_feeds({"a": feeds.server.url("/a")})
    async with feeds.running() as service:
        await asked.wait()
        postgres.kill()
        try:
            restarted.set()
            await asyncio.sleep(1.0)
            assert not service.done()
        finally:
            postgres.spawn()
            await asyncio.to_thread(postgres.wait_ready)
        await feeds.change("UPDATE feeds SET claimed_until = now()")  # The lease of the turn that failed has run out.
        await feeds.first_turns(1)
    assert await feeds.titles() == ["Apple raises its outlook 1"]


def _serve_badly(server: FeedServer) -> dict[str, tuple[str, str]]:
    """Paths that misbehave, each on a host of its own: path and the problem that it is."""
    server.serve("/500", b"oops", 500)
    server.serve("/429", b"", 429, headers={"Retry-After": "200000"})
    server.serve("/html", b"<!doctype html><p>down for maintenance</p>", headers={"Content-Type": "text/html"})
    server.serve("/bomb", b'<!DOCTYPE rss [<!ENTITY a "b">]><rss version="2.0">&a;</rss>')
    server.serve("/half", rss(item(1), item(2))[:200])
    server.handle("/endless", endless)
    server.handle("/reset", reset)
    return {
        "/500": ("127.0.0.2", "http_status"),
        "/429": ("127.0.0.3", "http_status"),
        "/html": ("127.0.0.4", "not_xml"),
        "/bomb": ("127.0.0.5", "entities"),
        "/half": ("127.0.0.6", "truncated"),
        "/endless": ("127.0.0.7", "too_large"),
        "/reset": ("127.0.0.8", "unreachable"),
    }


async def test_bad_feeds_wait_longer_and_longer_and_a_good_one_goes_on(feeds: FeedsDeployment) -> None:
    bad = _serve_badly(feeds.server)
    feeds.server.serve("/good", rss(item(1)), headers={"Content-Type": "text/plain; charset=iso-8859-1"})
    urls = {path.strip("/"): feeds.server.url(path, host) for path, (host, _) in bad.items()}
    feeds.list_feeds({"good": feeds.server.url("/good"), **urls}, interval_seconds=60)
    async with feeds.running():
        await feeds.first_turns(8)
        assert await feeds.problems() == {path.strip("/"): reason for path, (_, reason) in bad.items()}
        await feeds.turn("500")
        await feeds.turn("500")
    (waits,) = await feeds.rows("SELECT failures, extract(epoch FROM due_at - now()) FROM feeds WHERE feed = '500'")
    assert waits[0] == 3
    assert 180 < waits[1] < 270  # 60 s, doubled twice, with jitter
    (asked_for,) = await feeds.rows("SELECT extract(epoch FROM due_at - now()) FROM feeds WHERE feed = '429'")
    assert 86_000 < asked_for[0] <= 86_400  # Retry-After, but at most a day
    assert await feeds.titles() == ["Apple raises its outlook 1"]
    feeds.server.serve("/500", rss(item(5)))
    async with feeds.running():
        await feeds.turn("500")
    assert "500" not in await feeds.problems()


async def test_a_feed_that_hangs_delays_no_other(feeds: FeedsDeployment) -> None:
    feeds.server.handle("/silent", silent)
    feeds.server.serve("/good", rss(item(1)))
    feeds.list_feeds({"silent": feeds.server.url("/silent", "127.0.0.2"), "good": feeds.server.url("/good")})
    async with feeds.running():
        await feeds.until("SELECT count(*) FROM feeds WHERE succeeded_at IS NOT NULL", 1, seconds=5)
        assert await feeds.rows("SELECT feed FROM feeds WHERE claimed_by IS NOT NULL") == [("silent",)]


async def test_a_feed_that_is_gone_is_left_alone_until_a_person_says_otherwise(feeds: FeedsDeployment) -> None:
    feeds.server.serve("/a", b"", 410)
    feeds.list_feeds({"a": feeds.server.url("/a")})
    async with feeds.running():
        await feeds.until("SELECT gone_at IS NOT NULL FROM feeds", True)
        await feeds.change("UPDATE feeds SET due_at = now(), asked_at = NULL")
        await asyncio.sleep(1.2)  # Two looks at what is due.
    assert feeds.server.asked("/a") == 1
    feeds.server.serve("/a", rss(item(1)))
    async with feeds.running(retry_gone=True):
        await feeds.until("SELECT count(*) FROM feed_entries", 1)
    feeds.server.serve("/a", b"", 410)
    async with feeds.running():
        await feeds.turn("a")
    feeds.server.serve("/b", rss(item(1), item(2)))
    feeds.list_feeds({"a": feeds.server.url("/b")})
    async with feeds.running():
        await feeds.until("SELECT count(*) FROM feed_entries", 2)
    assert await feeds.titles() == ["Apple raises its outlook 1", "Apple raises its outlook 2"]


async def test_where_a_feed_has_moved_for_good_is_noted(feeds: FeedsDeployment) -> None:
    async def moved(request: web.Request) -> web.StreamResponse:
        raise web.HTTPMovedPermanently("/new")

    feeds.server.handle("/old", moved)
    feeds.server.serve("/new", rss(item(1)))
    feeds.list_feeds({"a": feeds.server.url("/old")})
    async with feeds.running():
        await feeds.first_turns(1)
    assert await feeds.rows("SELECT moved_to FROM feeds") == [(feeds.server.url("/new"),)]


async def test_an_entry_whose_time_has_not_come_is_looked_at_again(feeds: FeedsDeployment) -> None:
    feeds.server.serve("/a", rss(item(1), item(-3 * 24 * 60)), headers=ETAG)
    feeds.list_feeds({"a": feeds.server.url("/a")})
    async with feeds.running():
        await feeds.first_turns(1)
        await feeds.turn("a")
    assert "If-None-Match" not in feeds.server.requests["/a"][1]
    assert len(await feeds.messages()) == 1


async def test_two_services_share_the_feeds_and_ask_each_host_once_at_a_time(feeds: FeedsDeployment) -> None:
    at_once: dict[str, int] = {}
    most: dict[str, int] = {}

    async def slow(request: web.Request) -> web.StreamResponse:
        host = request.host
        at_once[host] = at_once.get(host, 0) + 1
        most[host] = max(most.get(host, 0), at_once[host])
        await asyncio.sleep(0.1)
        at_once[host] -= 1
        return web.Response(body=rss(item(len(request.path))))

    paths = [f"/{'x' * number}" for number in range(1, 7)]
    for path in paths:
        feeds.server.handle(path, slow)
    urls = {f"f{number}": feeds.server.url(path, f"127.0.0.{number % 2 + 1}") for number, path in enumerate(paths)}
    feeds.list_feeds(urls)
    async with feeds.running(), feeds.running():
        await feeds.first_turns(6)
    assert [feeds.server.asked(path) for path in paths] == [1] * 6
    assert set(most.values()) == {1}
    assert len(await feeds.messages()) == 6


async def test_ten_thousand_entries_are_published_once(feeds: FeedsDeployment) -> None:
    items = [item(number, guid=f"urn:{number}") for number in range(10_000)]
    feeds.server.serve("/a", rss(*items))
    feeds.list_feeds({"a": feeds.server.url("/a")})
    async with feeds.running():
        await feeds.first_turns(1)
        feeds.server.serve("/a", rss(item(0, "New", guid="urn:new"), *items[:-1]))
        await feeds.turn("a")
    messages = await feeds.messages()
    assert len(messages) == 10_001
    assert len({key for key, _ in messages}) == 10_001


async def test_the_service_tells_how_it_is_and_what_it_has_done(feeds: FeedsDeployment) -> None:
    port = Ports.free().kafka_port
    feeds.settings = feeds.settings.model_copy(update={"feeds_http_port": port})
    feeds.server.serve("/told", rss(item(1), item(2, pubDate="")))
    feeds.list_feeds({"told": feeds.server.url("/told"), "broken": feeds.server.url("/nothing", "127.0.0.2")})
    async with feeds.running(), ClientSession(f"http://127.0.0.1:{port}") as client:
        await feeds.first_turns(2)
        await feeds.turn("told")
        assert (await client.get("/livez")).status == 200
        ready = await client.get("/readyz")
        assert set((await ready.json())["checks"]) == {"postgres", "kafka"}
        assert ready.status == 200
        told = await (await client.get("/metrics")).text()
    for line in (
        'finsentry_feed_fetches_total{feed="told",result="new"} 1.0',
        'finsentry_feed_fetches_total{feed="told",result="unchanged"} 1.0',
        'finsentry_feed_fetches_total{feed="broken",result="http_status"} 1.0',
        'finsentry_feed_entries_published_total{feed="told"} 1.0',
        'finsentry_feed_entries_skipped_total{feed="told",reason="missing_field"} 1.0',
    ):
        assert line in told.splitlines()


async def test_the_check_says_what_it_found_in_each_feed_and_fails_if_one_fails(feeds: FeedsDeployment) -> None:
    feeds.server.serve("/good", rss(item(1), item(2), item(3, pubDate="")))
    feeds.server.serve("/bad", b"", 404)
    urls = {"good": feeds.server.url("/good"), "bad": feeds.server.url("/bad").replace("//", "//reader:s3cr3t@")}
    feeds.list_feeds(urls)
    output, log = await (check := await feeds.start("--check")).communicate()
    assert check.returncode == 1
    lines = output.decode().splitlines()
    assert lines[0].startswith("good  ok")
    assert "2 entries" in lines[0]
    assert "skipped 1 missing_field" in lines[0]
    assert lines[1].startswith("bad   HTTP_STATUS")
    assert lines[2] == "1 of 2 feeds DO NOT HOLD."
    assert b"s3cr3t" not in output + log
    output, _ = await (await feeds.start("--check", "--json")).communicate()
    good, bad = json.loads(output)
    assert (good["holds"], good["entries"], good["skipped"]) == (True, 2, {"missing_field": 1})
    assert (bad["holds"], bad["problem"]) == (False, "http_status")
    assert await feeds.rows("SELECT count(*) FROM feeds") == [(0,)]
    assert await feeds.messages() == []


async def test_the_check_succeeds_where_every_feed_holds(feeds: FeedsDeployment) -> None:
    feeds.server.serve("/good", rss(item(1)))
    feeds.list_feeds({"good": feeds.server.url("/good")})
    output, _ = await (check := await feeds.start("--check")).communicate()
    assert (check.returncode, output.decode().splitlines()[-1]) == (0, "All 1 feeds hold.")


async def test_a_feeds_file_that_does_not_hold_ends_the_service_with_one_sentence(feeds: FeedsDeployment) -> None:
    feeds.list_feeds({"a": feeds.server.url("/a")}, sauce="typo")
    _, log = await (service := await feeds.start()).communicate()
    assert service.returncode == 78
    (sentence,) = log.decode().splitlines()
    assert sentence.endswith("does not hold: feed 1 (a), sauce: Extra inputs are not permitted.")


async def test_the_service_ends_when_it_is_told_to_and_gives_its_claims_back(feeds: FeedsDeployment) -> None:
    feeds.server.handle("/silent", silent)
    feeds.server.serve("/good", rss(item(1)))
    feeds.list_feeds({"silent": feeds.server.url("/silent", "127.0.0.2"), "good": feeds.server.url("/good")})
    service = await feeds.start()
    await feeds.until("SELECT count(*) FROM feeds WHERE succeeded_at IS NOT NULL", 1)
    assert await feeds.rows("SELECT feed FROM feeds WHERE claimed_by IS NOT NULL") == [("silent",)]
    service.send_signal(signal.SIGTERM)
    _, log = await asyncio.wait_for(service.communicate(), 15)
    assert service.returncode == 0, log.decode()
    assert await feeds.rows("SELECT count(*) FROM feeds WHERE claimed_by IS NOT NULL") == [(0,)]


async def test_a_service_that_is_killed_leaves_its_feeds_to_the_next_one_and_no_process_behind(
    feeds: FeedsDeployment,
) -> None:
    feeds.server.serve("/a", rss(item(1)))
    feeds.server.handle("/b", silent)
    feeds.list_feeds({"a": feeds.server.url("/a"), "b": feeds.server.url("/b", "127.0.0.2")})
    service = await feeds.start()
    await feeds.until("SELECT count(*) FROM feed_entries", 1)
    await feeds.until("SELECT claimed_by IS NOT NULL FROM feeds WHERE feed = 'b'", True)
    readers = psutil.Process(service.pid).children()
    assert readers
    service.kill()
    await service.communicate()
    assert wait_until_gone(readers, 5) == []
    feeds.server.serve("/b", rss(item(2)))
    async with feeds.running():
        await asyncio.sleep(1.2)  # Two looks: the lease still stands.
        assert await feeds.rows("SELECT count(*) FROM feed_entries") == [(1,)]
        await feeds.change("UPDATE feeds SET claimed_until = now() WHERE claimed_by IS NOT NULL")
        await feeds.until("SELECT count(*) FROM feed_entries", 2)
