"""Replaying to a real Kafka: every byte arrives, and whatever does not is counted."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from stream_worker.errors import Unavailable
from stream_worker.ingest.due import Due
from stream_worker.ingest.publisher import Publisher
from stream_worker.ingest.replay import Replay, Summary
from stream_worker.ingest.topics import MAX_MESSAGE_BYTES, apply_topics, max_message_bytes
from stream_worker.local.kafka import Kafka
from stream_worker.local.ports import Ports
from stream_worker.settings import Settings
from tests.services.replaying import ReplayCommand, records

STRANGE = [b"", b"\xff\x00\xfe", b'{"title": "a"}\r', b"   ", '{"title": "caf\u00e9"}'.encode(), b"x" * 900_000]


@pytest.fixture
async def kafka_settings(kafka_bootstrap: str, topic_prefix: str) -> Settings:
    settings = Settings(kafka_bootstrap=kafka_bootstrap, topic_prefix=topic_prefix)
    await apply_topics(settings)
    return settings


@pytest.fixture
async def publisher(kafka_settings: Settings) -> AsyncIterator[Publisher]:
    topic = kafka_settings.topic("documents")
    async with Publisher(kafka_settings.require_kafka_bootstrap(), topic, MAX_MESSAGE_BYTES) as publisher:
        yield publisher


async def _replay(publisher: Publisher, values: Iterable[bytes | None]) -> Summary:
    return await Replay(publisher).run((Due(0.0, value, "test") for value in values), asyncio.Event())


async def test_every_line_arrives_with_its_bytes_unchanged(kafka_settings: Settings, publisher: Publisher) -> None:
    summary = await _replay(publisher, STRANGE)
    found = await records(kafka_settings)
    assert Counter(record.value for record in found) == Counter(STRANGE)
    assert summary.complete
    assert (summary.lines, summary.bytes) == (len(STRANGE), sum(map(len, STRANGE)))


async def test_the_summary_names_the_first_and_last_offset_of_each_partition(
    kafka_settings: Settings, publisher: Publisher
) -> None:
    await _replay(publisher, [b"before"] * 40)
    async with Publisher(
        kafka_settings.require_kafka_bootstrap(), kafka_settings.topic("documents"), MAX_MESSAGE_BYTES
    ) as second:
        summary = await _replay(second, [b"%d" % number for number in range(400)])
    offsets: dict[int, list[int]] = {}
    for record in await records(kafka_settings):
        if record.value != b"before":
            offsets.setdefault(record.partition, []).append(record.offset)
    assert summary.partitions == {partition: (min(found), max(found)) for partition, found in offsets.items()}
    assert summary.as_json()["partitions"] == {
        str(partition): {"first": min(found), "last": max(found)} for partition, found in sorted(offsets.items())
    }


async def test_lines_over_the_limit_are_counted_and_the_others_arrive(
    kafka_settings: Settings, publisher: Publisher
) -> None:
    summary = await _replay(publisher, [b"a", b"x" * MAX_MESSAGE_BYTES, None, b"b"])
    assert (summary.lines, summary.acknowledged, summary.too_large, summary.unacknowledged) == (4, 2, 2, 0)
    assert not summary.complete
    assert Counter(record.value for record in await records(kafka_settings)) == Counter([b"a", b"b"])


async def test_a_message_that_the_broker_refuses_takes_no_other_along(
    kafka_settings: Settings, publisher: Publisher
) -> None:
    """The topic's limit is lowered behind the publisher's back, which only the broker can then tell."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_settings.require_kafka_bootstrap())
    await admin.start()
    topic = kafka_settings.topic("documents")
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": "5000"})])
    await admin.close()
    while await max_message_bytes(kafka_settings, topic) != 5_000:
        await asyncio.sleep(0.05)  # The controller knows; the broker has not heard yet.
    small = [b"%d" % number for number in range(300)]
    summary = await _replay(publisher, [*small[:150], b"x" * 20_000, *small[150:]])
    assert (summary.lines, summary.unacknowledged) == (301, 1)
    assert {record.value for record in await records(kafka_settings)} == set(small)


async def test_a_broker_that_dies_and_comes_back_loses_nothing(
    kafka_settings: Settings, publisher: Publisher, kafka: Kafka
) -> None:
    values = [b"%d %s" % (number, b"y" * 200) for number in range(20_000)]
    read = 0

    def messages() -> Iterable[Due]:
        nonlocal read
        for value in values:
            read += 1
            yield Due(read / 10_000, value, "test")

    working = asyncio.ensure_future(Replay(publisher).run(messages(), asyncio.Event()))
    while read < 5_000:
        await asyncio.sleep(0.01)
    kafka.kill()
    try:
        await asyncio.sleep(6.0)
        assert not working.done()
        assert read < len(values), "more is held in memory than may be"
    finally:
        kafka.spawn()
        await asyncio.to_thread(kafka.wait_ready)
    summary = await asyncio.wait_for(working, 120)
    assert summary.complete
    assert Counter(record.value for record in await records(kafka_settings)) == Counter(values)


async def test_a_kafka_that_is_away_at_the_start_is_said_in_one_sentence() -> None:
    address = f"127.0.0.1:{Ports.free().kafka_port}"
    with pytest.raises(Unavailable, match=f"Kafka at {address} does not answer"):
        async with Publisher(address, "documents", MAX_MESSAGE_BYTES):
            pass


class TestCommand:
    @pytest.fixture
    def command(self, kafka_settings: Settings, tmp_path: Path) -> ReplayCommand:
        return ReplayCommand(kafka_settings, tmp_path)

    async def test_a_file_is_replayed_at_the_rate_and_summed_up_as_json(
        self, command: ReplayCommand, kafka_settings: Settings, tmp_path: Path
    ) -> None:
        path = tmp_path / "lines.jsonl"
        path.write_bytes(b'{"id": "1"}\n\xff\n{"id": "2"}\n')
        done = await command.run(path, "--json", "--rate", "4", "--key-by-id")
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        summary = json.loads(done.stdout)
        assert (summary["lines"], summary["acknowledged"], summary["bytes"]) == (3, 3, 23)
        assert 0.5 <= summary["seconds"] < 5
        found = await records(kafka_settings)
        assert Counter((r.key, r.value) for r in found) == Counter(
            [(b"1", b'{"id": "1"}'), (None, b"\xff"), (b"2", b'{"id": "2"}')]
        )

    async def test_a_line_over_the_limit_makes_the_command_fail(
        self, command: ReplayCommand, kafka_settings: Settings, tmp_path: Path
    ) -> None:
        path = tmp_path / "lines.jsonl"
        path.write_bytes(b"a\n" + b"x" * 2_000_000 + b"\nb\n")
        done = await command.run(path)
        assert done.returncode == 1
        assert "2 of 3 lines are in Kafka" in done.stdout
        assert f"{path}:2" in done.stderr
        assert len(await records(kafka_settings)) == 2

    async def test_generated_headlines_end_at_their_count(
        self, command: ReplayCommand, kafka_settings: Settings
    ) -> None:
        arguments = ("--generate", "--count", "50", "--rate", "200", "--json")
        done = await command.run(*arguments)
        assert done.returncode == 0, done.stderr
        found = await records(kafka_settings)
        assert len(found) == json.loads(done.stdout)["acknowledged"] == 50
        assert sum(record.key is not None for record in found) > 30

    async def test_generating_ends_on_ctrl_c_with_everything_acknowledged(
        self, command: ReplayCommand, kafka_settings: Settings
    ) -> None:
        process = await command.start("--generate", "--rate", "50", "--json")
        while len(await records(kafka_settings)) < 20:
            assert process.returncode is None
            await asyncio.sleep(0.2)
        process.send_signal(signal.SIGINT)
        output, _ = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 0
        summary = json.loads(output)
        assert summary["interrupted"]
        assert summary["acknowledged"] == len(await records(kafka_settings))

    async def test_a_topic_that_was_not_made_is_a_configuration_error(
        self, kafka_settings: Settings, tmp_path: Path
    ) -> None:
        elsewhere = kafka_settings.model_copy(update={"topic_prefix": "nobody.made."})
        done = await ReplayCommand(elsewhere, tmp_path).run("--generate")
        assert done.returncode == 78
        assert "There is no topic nobody.made.documents: run `finsentry topics apply` first." in done.stderr
