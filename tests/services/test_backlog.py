"""What Kafka holds and a group has committed, asked without joining it."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_worker.errors import Unavailable
from stream_worker.ingest.backlog import BacklogReader, PartitionBacklog
from stream_worker.local.kafka import Kafka
from stream_worker.settings import Settings
from tests.services.deployment import deployed, document


async def test_lag_is_what_is_not_committed_and_members_are_who_reads(settings: Settings, tmp_path: Path) -> None:
    topic, group = settings.topic("documents"), settings.consumer_group
    bootstrap = settings.require_kafka_bootstrap()
    async with deployed(settings, tmp_path / "logs") as deployment, BacklogReader(bootstrap) as reader:
        await deployment.send([document(f"Headline {n}", n) for n in range(5)], partition=1)
        assert await reader.partitions(topic, group) == [
            PartitionBacklog(topic, 0, earliest=0, committed=None, end=0),
            PartitionBacklog(topic, 1, earliest=0, committed=None, end=5),
        ]
        assert await reader.members(group) == 0
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
        await consumer.start()
        try:
            await consumer.commit({TopicPartition(topic, 1): 3})
            assert [backlog.lag for backlog in await reader.partitions(topic, group)] == [0, 2]
            assert await reader.members(group) == 1
        finally:
            await consumer.stop()
        assert await reader.members(group) == 0


async def test_a_topic_that_does_not_exist_has_no_partitions(kafka_bootstrap: str, topic_prefix: str) -> None:
    async with BacklogReader(kafka_bootstrap) as reader:
        assert await reader.partitions(f"{topic_prefix}nothing", f"{topic_prefix}nobody") == []


async def test_a_broker_that_goes_is_unavailable_and_is_asked_anew_when_it_is_back(
    kafka: Kafka, settings: Settings, tmp_path: Path
) -> None:
    topic = settings.topic("documents")
    async with deployed(settings, tmp_path / "logs"), BacklogReader(kafka.address) as reader:
        assert len(await reader.partitions(topic, settings.consumer_group)) == 2
        kafka.kill()
        try:
            for _ in range(3):
                with pytest.raises((Unavailable, TimeoutError)):
                    async with asyncio.timeout(2):
                        await reader.partitions(topic, settings.consumer_group)
        finally:
            kafka.spawn()
            await asyncio.to_thread(kafka.wait_ready)
        async with asyncio.timeout(20):
            while True:
                try:
                    assert len(await reader.partitions(topic, settings.consumer_group)) == 2
                    break
                except Unavailable:
                    await asyncio.sleep(0.2)
