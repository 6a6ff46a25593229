"""`finsentry replay` as a process, and what it left in Kafka."""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from stream_worker.settings import Settings, TopicName


async def records(settings: Settings, name: TopicName = "documents") -> list[ConsumerRecord[bytes, bytes]]:
    """Everything that stands in the topic, each partition in its order."""
    topic = settings.topic(name)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.require_kafka_bootstrap(),
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4_000_000,
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(settings.topic_partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[ConsumerRecord[bytes, bytes]] = []
        while len(found) < sum(ends.values()):
            for batch in (await consumer.getmany(timeout_ms=1_000)).values():
                found += batch
        return found
    finally:
        await consumer.stop()


@dataclass(frozen=True)
class ReplayCommand:
    """Runs the command with `home` as its home."""

    settings: Settings
    home: Path

    async def run(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        """To its end."""
        run = partial(subprocess.run, env=self._environment, capture_output=True, text=True, check=False)
        return await asyncio.to_thread(run, self._command(*arguments))

    async def start(self, *arguments: object) -> asyncio.subprocess.Process:
        """Without waiting."""
        return await asyncio.create_subprocess_exec(
            *self._command(*arguments), env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    @staticmethod
    def _command(*arguments: object) -> list[str]:
        return [sys.executable, "-m", "stream_worker.cli", "replay", *map(str, arguments)]

    @property
    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "FINSENTRY_HOME": str(self.home),
            "FINSENTRY_KAFKA_BOOTSTRAP": self.settings.require_kafka_bootstrap(),
            "FINSENTRY_TOPIC_PREFIX": self.settings.topic_prefix,
        }
