"""Who may poll which feed, and what is remembered of it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.storage import feeds as storage
from stream_worker.storage.feeds import Claim, FeedRecord, Published, Version

NOW = datetime.now(UTC)


def record(feed: str, host: str | None = None, url: bytes = b"url") -> FeedRecord:
    return FeedRecord(feed, url, host or f"{feed}.example")


@pytest.fixture
async def listed(engine: AsyncEngine) -> AsyncEngine:
    await enlist(engine, record("a"), record("b"), record("c1", "c.example"), record("c2", "c.example"))
    return engine


async def enlist(engine: AsyncEngine, *records: FeedRecord, retry_gone: bool = False) -> None:
    async with engine.begin() as connection:
        await storage.enlist(connection, records, retry_gone=retry_gone)


async def claim(
    engine: AsyncEngine, process: str, *feeds: str, at_most: int = 9, lease: float = 60.0, pause: float = 0.0
) -> list[str]:
    """The names of the feeds that it got."""
    async with engine.begin() as connection:
        claims = await storage.claim(
            connection, process, feeds, at_most=at_most, lease_seconds=lease, host_seconds=pause
        )
    return sorted(claimed.feed for claimed in claims)


async def succeed(engine: AsyncEngine, process: str, feed: str, etag: str = "v1", pause: float = 0.0) -> None:
    async with engine.begin() as connection:
        await storage.succeeded(connection, process, feed, Version(etag, None, b"digest"), None, pause)


async def fail(engine: AsyncEngine, process: str, feed: str, *, gone: bool = False) -> None:
    async with engine.begin() as connection:
        await storage.failed(connection, process, feed, "timeout: slow", 0.0, gone=gone)


async def only_claim(engine: AsyncEngine, feed: str) -> Claim:
    async with engine.begin() as connection:
        (found,) = await storage.claim(connection, "x", [feed], at_most=1, lease_seconds=60.0, host_seconds=0.0)
    return found


async def test_a_feed_is_claimed_by_one_process_and_only_of_those_that_it_knows(listed: AsyncEngine) -> None:
    assert await claim(listed, "p", "a", "b") == ["a", "b"]
    assert await claim(listed, "q", "a", "b", "c1") == ["c1"]


async def test_of_a_host_one_feed_is_claimed_at_a_time(listed: AsyncEngine) -> None:
    (first,) = await claim(listed, "p", "c1", "c2")
    assert await claim(listed, "q", "c1", "c2") == []
    await succeed(listed, "p", first, pause=60.0)
    assert await claim(listed, "q", "c1", "c2", pause=30.0) == []
    assert await claim(listed, "q", "c1", "c2") == [{"c1": "c2", "c2": "c1"}[first]]


async def test_processes_that_claim_at_once_never_get_the_same_feed_or_host(listed: AsyncEngine) -> None:
    names = ("a", "b", "c1", "c2")
    claims = await asyncio.gather(
        *(claim(listed, f"p{number}", *names, at_most=1) for number in range(2) for _ in "12")
    )
    got = sorted(name for claimed in claims for name in claimed)
    assert got in (["a", "b", "c1"], ["a", "b", "c2"])


async def test_the_feed_that_is_due_longest_comes_first(listed: AsyncEngine) -> None:
    async with listed.begin() as connection:
        await connection.execute(text("UPDATE feeds SET due_at = now() - interval '1 hour' WHERE feed = 'b'"))
    assert await claim(listed, "p", "a", "b", at_most=1) == ["b"]


async def test_a_claim_lasts_as_long_as_it_is_renewed_or_until_it_is_released(listed: AsyncEngine) -> None:
    await claim(listed, "p", "a", lease=-1.0)
    async with listed.begin() as connection:
        await storage.renew(connection, "p", ["a"], 60.0)
    assert await claim(listed, "q", "a") == []
    async with listed.begin() as connection:
        await storage.release(connection, "p")
    assert await claim(listed, "q", "a", lease=-1.0) == ["a"]
    assert await claim(listed, "r", "a") == ["a"]


async def test_who_has_lost_a_claim_changes_nothing(listed: AsyncEngine) -> None:
    await claim(listed, "p", "a", lease=-1.0)
    await claim(listed, "q", "a", lease=-1.0)
    await succeed(listed, "p", "a", "stale")
    await fail(listed, "p", "a", gone=True)
    assert await only_claim(listed, "a") == Claim("a", None, None, None, 0)


async def test_failures_are_counted_until_a_success_and_keep_what_is_known(listed: AsyncEngine) -> None:
    await claim(listed, "p", "a")
    await succeed(listed, "p", "a")
    for _ in range(2):
        await claim(listed, "p", "a")
        await fail(listed, "p", "a")
    assert await only_claim(listed, "a") == Claim("a", "v1", None, b"digest", 2)
    await succeed(listed, "x", "a")
    assert (await only_claim(listed, "a")).failures == 0


async def test_a_feed_that_is_gone_is_not_claimed_until_it_is_tried_again_or_has_another_url(
    listed: AsyncEngine,
) -> None:
    for again in ({"retry_gone": True}, {}):
        await claim(listed, "p", "a")
        await fail(listed, "p", "a", gone=True)
        await enlist(listed, record("a"))
        assert await claim(listed, "p", "a") == []
        await enlist(listed, record("a", url=b"url" if again else b"other"), **again)
        assert await only_claim(listed, "a") == Claim("a", None, None, None, 0)
        await succeed(listed, "x", "a")


async def test_listing_a_feed_again_changes_nothing(listed: AsyncEngine) -> None:
    await claim(listed, "p", "a")
    await succeed(listed, "p", "a", pause=60.0)
    await enlist(listed, record("a"))
    assert await claim(listed, "p", "a") == []


async def test_the_entries_that_a_feed_had_last_are_kept(listed: AsyncEngine) -> None:
    keys = [b"%02d" % number for number in range(12)]
    for key in keys:
        async with listed.begin() as connection:
            await storage.remember(connection, "a", {key: Published(key, NOW, NOW)})
            await storage.remember(connection, "b", {key: Published(key, NOW, NOW)})
    async with listed.begin() as connection:
        await storage.remember(connection, "a", {keys[0]: Published(b"new", NOW, NOW + timedelta(hours=1))})
        await storage.forget_oldest(connection, "a", 4)
    async with listed.connect() as connection:
        known = await storage.known_entries(connection, "a", keys)
        assert set(known) == {keys[0], *keys[-3:]}
        assert known[keys[0]] == Published(b"new", NOW, NOW + timedelta(hours=1))
        assert len(await storage.known_entries(connection, "b", keys)) == 12
