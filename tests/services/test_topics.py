"""`finsentry topics` on a real broker."""

import asyncio
import json
from collections.abc import Callable

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from click.testing import CliRunner, Result

from stream_worker.cli import cli
from stream_worker.errors import ConfigurationError, Unavailable
from stream_worker.ingest.topics import MAX_MESSAGE_BYTES, apply_topics, list_topics, max_message_bytes
from stream_worker.local.ports import Ports
from stream_worker.settings import Settings


@pytest.fixture
def kafka_settings(kafka_bootstrap: str, topic_prefix: str) -> Settings:
    return Settings(kafka_bootstrap=kafka_bootstrap, topic_prefix=topic_prefix, topic_partitions=3)


async def _make(settings: Settings, name: str, partitions: int, **configs: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.require_kafka_bootstrap())
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)])
        while (await admin.describe_topics([name]))[0]["error_code"]:
            await asyncio.sleep(0.05)  # The controller knows; the broker has not heard yet.
    finally:
        await admin.close()


async def test_applying_makes_the_topics_and_doing_it_again_changes_nothing(kafka_settings: Settings) -> None:
    made = await apply_topics(kafka_settings)
    again = await apply_topics(kafka_settings)
    assert [(state.name.removeprefix(kafka_settings.topic_prefix), state.partitions) for state in made] == [
        ("documents", 3),
        ("documents-backfill", 3),
        ("scores", 3),
        ("dead-letters", 1),
    ]
    assert [state.made for state in made] == [True] * 4
    assert [state.made for state in again] == [False] * 4
    assert all(not state.differs for state in [*made, *again])


async def test_two_that_apply_at_once_both_succeed(kafka_settings: Settings) -> None:
    first, second = await asyncio.gather(apply_topics(kafka_settings), apply_topics(kafka_settings))
    assert [state.partitions for state in first] == [state.partitions for state in second] == [3, 3, 3, 1]


async def test_a_topic_with_fewer_partitions_is_refused_and_nothing_is_made(kafka_settings: Settings) -> None:
    await _make(kafka_settings, kafka_settings.topic("documents"), 2)
    with pytest.raises(ConfigurationError, match="has 2 partitions, fewer than the 3"):
        await apply_topics(kafka_settings)
    assert [state.partitions for state in await list_topics(kafka_settings)] == [2, 0, 0, 0]


async def test_a_topic_that_somebody_made_otherwise_is_left_alone_and_shown(kafka_settings: Settings) -> None:
    name = kafka_settings.topic("documents")
    await _make(kafka_settings, name, 5, **{"retention.ms": "1000", "max.message.bytes": "2000"})
    documents = (await apply_topics(kafka_settings))[0]
    assert (documents.partitions, documents.made) == (5, False)
    assert documents.differs["retention.ms"] == "1000"
    assert await max_message_bytes(kafka_settings, name) == 2000


async def test_the_broker_knows_the_limit_of_a_message(kafka_settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="finsentry topics apply"):
        await max_message_bytes(kafka_settings, kafka_settings.topic("documents"))
    await apply_topics(kafka_settings)
    assert await max_message_bytes(kafka_settings, kafka_settings.topic("documents")) == MAX_MESSAGE_BYTES


async def test_a_broker_that_is_away_is_named() -> None:
    address = f"127.0.0.1:{Ports.free().kafka_port}"
    with pytest.raises(Unavailable, match=address):
        await list_topics(Settings(kafka_bootstrap=address))


class TestCommand:
    @pytest.fixture
    def finsentry(self, kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
        monkeypatch.setenv("FINSENTRY_KAFKA_BOOTSTRAP", kafka_settings.require_kafka_bootstrap())
        monkeypatch.setenv("FINSENTRY_TOPIC_PREFIX", kafka_settings.topic_prefix)
        monkeypatch.setenv("FINSENTRY_TOPIC_PARTITIONS", "3")
        return lambda *arguments: CliRunner().invoke(cli, ["topics", *arguments])

    def test_list_says_what_is_missing_until_apply_has_made_it(self, finsentry: Callable[..., Result]) -> None:
        missing = finsentry("list")
        assert (missing.exit_code, missing.output.count("MISSING")) == (1, 4)
        assert finsentry("apply").exit_code == 0
        listed = finsentry("list", "--json")
        assert listed.exit_code == 0
        assert [topic["partitions"] for topic in json.loads(listed.output)] == [3, 3, 3, 1]
