"""`finsentry dead-letters` on real Postgres and Kafka."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from click.testing import CliRunner, Result
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.cli import cli
from stream_worker.ingest.dead_letters import Chosen, count_by_reason, newest, replay_dead_letters
from stream_worker.ingest.publisher import Publisher
from stream_worker.ingest.topics import MAX_MESSAGE_BYTES, apply_topics
from stream_worker.settings import Settings, TopicName
from stream_worker.storage.batches import insert_dead_letters
from stream_worker.storage.schema import dead_letters

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
NUMBER = 90


def _payload(number: int) -> bytes:
    return b'{"n": %d} \xff\x1b[31m\x00' % number


@pytest.fixture
async def engine(settings: Settings, engine: AsyncEngine) -> AsyncEngine:
    """A database with 90 dead letters of two reasons, and the topics."""
    await apply_topics(settings)
    topic = settings.topic("documents")
    rows = [
        (topic, n % 3, n, _reason(n), f"detail {n}", b"key" if n % 2 else None, _payload(n), NOW + timedelta(seconds=n))
        for n in range(NUMBER)
    ]
    async with engine.begin() as connection:
        await insert_dead_letters(connection, [(*row, None) for row in rows])
    return engine


def _reason(number: int) -> str:
    return "not_utf8" if number % 3 else "no_text"


@pytest.fixture
async def publisher(settings: Settings, engine: AsyncEngine) -> AsyncIterator[Publisher]:
    topic = settings.topic("documents")
    async with Publisher(settings.require_kafka_bootstrap(), topic, MAX_MESSAGE_BYTES) as publisher:
        yield publisher


async def _published(settings: Settings, name: TopicName = "documents") -> "Counter[tuple[bytes | None, bytes | None]]":
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.require_kafka_bootstrap(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(settings.topic(name), n) for n in range(settings.topic_partitions)]
        consumer.assign(partitions)
        count = sum((await consumer.end_offsets(partitions)).values())
        found: Counter[tuple[bytes | None, bytes | None]] = Counter()
        while found.total() < count:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found.update((record.key, record.value) for record in records)
        return found
    finally:
        await consumer.stop()


async def _marked(engine: AsyncEngine) -> set[int]:
    async with engine.connect() as connection:
        query = select(dead_letters.c.kafka_offset).where(dead_letters.c.replayed_at.is_not(None))
        return set(await connection.scalars(query))


def _messages(*numbers: int) -> "Counter[tuple[bytes | None, bytes | None]]":
    return Counter((b"key" if n % 2 else None, _payload(n)) for n in numbers)


async def test_replaying_all_publishes_bytes_and_keys_unchanged_and_marks_them(
    engine: AsyncEngine, publisher: Publisher, settings: Settings
) -> None:
    replayed = await replay_dead_letters(engine, publisher, Chosen(), NOW)
    assert (replayed.replayed, replayed.without_value, replayed.too_large) == (NUMBER, 0, 0)
    assert await _published(settings) == _messages(*range(NUMBER))
    assert await _marked(engine) == set(range(NUMBER))


async def test_what_was_replayed_is_not_sent_again_unless_it_is_named(
    engine: AsyncEngine, publisher: Publisher, settings: Settings
) -> None:
    await replay_dead_letters(engine, publisher, Chosen(reason="no_text"), NOW)
    assert await _marked(engine) == set(range(0, NUMBER, 3))
    assert (await replay_dead_letters(engine, publisher, Chosen(reason="no_text"), NOW)).replayed == 0
    named = Chosen(positions=((settings.topic("documents"), 0, 6), (settings.topic("documents"), 1, 6)))
    assert (await replay_dead_letters(engine, publisher, named, NOW)).replayed == 1
    assert await _published(settings) == _messages(*range(0, NUMBER, 3), 6)


async def test_two_that_replay_at_once_send_each_letter_once(
    engine: AsyncEngine, publisher: Publisher, settings: Settings
) -> None:
    topic = settings.topic("documents")
    async with Publisher(settings.require_kafka_bootstrap(), topic, MAX_MESSAGE_BYTES) as other:
        both = await asyncio.gather(
            replay_dead_letters(engine, publisher, Chosen(), NOW), replay_dead_letters(engine, other, Chosen(), NOW)
        )
    assert sum(one.replayed for one in both) == NUMBER
    assert await _published(settings) == _messages(*range(NUMBER))


async def test_letters_that_cannot_be_sent_are_counted_and_not_marked(
    engine: AsyncEngine, publisher: Publisher, settings: Settings
) -> None:
    topic = settings.topic("documents")
    rows = [
        (topic, 0, 1_000, "empty", "nothing", None, None, NOW),
        (topic, 0, 1_001, "too_long", "long", None, b"x" * MAX_MESSAGE_BYTES, NOW),
        (topic, 0, 1_002, "empty", "a tombstone", b"key", None, NOW),
    ]
    async with engine.begin() as connection:
        await insert_dead_letters(connection, [(*row, None) for row in rows])
    replayed = await replay_dead_letters(engine, publisher, Chosen(), NOW)
    assert (replayed.replayed, replayed.without_value, replayed.too_large) == (NUMBER + 1, 1, 1)
    assert await _marked(engine) == {*range(NUMBER), 1_002}


async def test_listing_counts_by_reason_and_shows_the_newest(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await count_by_reason(connection) == {"not_utf8": 60, "no_text": 30}
        rows = await newest(connection, Chosen(reason="no_text"), limit=2, preview_bytes=5)
    assert [(row.offset, row.reason, row.detail) for row in rows] == [
        (87, "no_text", "detail 87"),
        (84, "no_text", "detail 84"),
    ]
    assert (rows[0].preview, rows[0].payload_bytes) == (b'{"n":', len(_payload(87)))


class TestCommand:
    @pytest.fixture
    def finsentry(
        self, engine: AsyncEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., Result]:
        monkeypatch.setenv("FINSENTRY_DATABASE_URL", settings.database_url.get_secret_value())  # type: ignore[union-attr]
        monkeypatch.setenv("FINSENTRY_KAFKA_BOOTSTRAP", settings.require_kafka_bootstrap())
        monkeypatch.setenv("FINSENTRY_TOPIC_PREFIX", settings.topic_prefix)
        monkeypatch.setenv("FINSENTRY_HOME", str(settings.home))
        return lambda *arguments: CliRunner().invoke(cli, ["dead-letters", *arguments])

    def test_list_prints_untrusted_bytes_so_that_no_terminal_obeys_them(self, finsentry: Callable[..., Result]) -> None:
        plain = finsentry("list", "--limit", "5")
        assert plain.exit_code == 0, plain.output
        assert "60 not_utf8" in plain.stdout
        assert r"\xff\x1b[31m\x00" in plain.stdout
        assert "\x1b" not in plain.stdout
        listed = json.loads(finsentry("list", "--json", "--limit", "5", "--reason", "no_text").stdout)
        assert listed["counts"] == {"not_utf8": 60, "no_text": 30}
        assert [letter["offset"] for letter in listed["dead_letters"]] == [87, 84, 81, 78, 75]

    def test_replay_takes_offsets_a_reason_or_all_and_nothing_else(self, finsentry: Callable[..., Result]) -> None:
        named = finsentry("replay", "--offset", "0/6", "--offset", "1/4", "--json")
        assert named.exit_code == 0, named.output
        assert json.loads(named.stdout)["replayed"] == 2
        assert json.loads(finsentry("replay", "--reason", "no_text", "--json").stdout)["replayed"] == 29
        assert json.loads(finsentry("replay", "--all", "--json").stdout)["replayed"] == 59
        assert "0 dead letters" in finsentry("replay", "--all").stdout
        absent = finsentry("replay", "--offset", "0/7")
        assert (absent.exit_code, absent.stderr) == (1, "1 of the offsets have no dead letter.\n")
        assert finsentry("replay").exit_code == 2
        assert finsentry("replay", "--all", "--offset", "0/1").exit_code == 2
        assert finsentry("replay", "--offset", "six").exit_code == 2

    async def test_history_is_sent_back_to_history(
        self, finsentry: Callable[..., Result], engine: AsyncEngine, settings: Settings
    ) -> None:
        history = settings.topic("documents-backfill")
        rows = [(history, 0, n, "empty", "old", None, b"old %d" % n, NOW) for n in range(6)]
        async with engine.begin() as connection:
            await insert_dead_letters(connection, [(*row, None) for row in rows])
        for options, replayed in (
            (("--offset", "0/2", "--lane", "backfill"), 1),
            (("--reason", "no_text"), 30),
            (("--all",), NUMBER - 30 + 5),
        ):
            done = await asyncio.to_thread(finsentry, "replay", *options, "--json")
            assert done.exit_code == 0, done.output
            assert json.loads(done.stdout)["replayed"] == replayed
        assert await _published(settings) == _messages(*range(NUMBER))
        assert await _published(settings, "documents-backfill") == Counter((None, b"old %d" % n) for n in range(6))

    async def test_letters_of_topics_with_another_prefix_are_named_and_stay(
        self, finsentry: Callable[..., Result], engine: AsyncEngine
    ) -> None:
        async with engine.begin() as connection:
            await insert_dead_letters(connection, [("old.documents", 0, 1, "empty", "old", None, b"old", NOW, None)])
        done = await asyncio.to_thread(finsentry, "replay", "--all", "--json")
        assert done.exit_code == 1
        assert json.loads(done.stdout)["replayed"] == NUMBER
        assert json.loads(done.stdout)["elsewhere"] == {"old.documents": 1}
        assert done.stderr == "1 of topic old.documents WERE NOT: FINSENTRY_TOPIC_PREFIX names other topics.\n"
