"""A deployment for tests: topics and schema made, workers as child processes, messages in, rows out."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.settings import ADDRESSES, TOPICS, Settings, TopicName
from stream_worker.storage.engine import create_engine
from stream_worker.storage.migrate import upgrade

PARTITIONS = 2
NOW = datetime.now(UTC)


def document(text: str, number: int = 0, **fields: Any) -> bytes:
    """One well-formed message; `number` spreads documents over minutes."""
    published_at = (NOW - timedelta(minutes=number % 50 + 1)).isoformat()
    return json.dumps({"source": "test", "kind": "news", "published_at": published_at, "title": text} | fields).encode()


def environment(settings: Settings, **more: object) -> dict[str, str]:
    """The environment in which a child process sees these settings."""
    values: dict[str, Any] = {name: getattr(settings, name) for name in settings.model_fields_set}
    for name in ("database_url", "redis_url"):
        values[name] = getattr(settings, name).get_secret_value()
    values |= more
    assert all(values[name] for name in ADDRESSES)
    return os.environ | {f"FINSENTRY_{name.upper()}": str(value) for name, value in values.items()}


@dataclass
class Deployment:
    """What a test can do to a deployment, and read from it."""

    settings: Settings
    engine: AsyncEngine
    producer: AIOKafkaProducer
    logs: Path
    workers: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def send(
        self, messages: Sequence[bytes | None], partition: int | None = None, to: TopicName = "documents"
    ) -> None:
        """Publish to a topic, spread over its partitions; returns when all are acknowledged."""
        topic = self.settings.topic(to)
        sent = [
            await self.producer.send(
                topic, value, key=b"key", partition=number % PARTITIONS if partition is None else partition
            )
            for number, value in enumerate(messages)
        ]
        await asyncio.gather(*sent)

    async def start(self, command: str, **settings: object) -> asyncio.subprocess.Process:
        """Start `finsentry COMMAND` as a child process."""
        log = (self.logs / f"{command}-{len(self.workers)}.log").open("wb")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stream_worker.cli", command),
            env=environment(self.settings, **settings),
            stdout=log,
            stderr=log,
        )
        log.close()
        self.workers.append(process)
        return process

    async def stop(self, process: asyncio.subprocess.Process, number: int = signal.SIGTERM) -> int:
        """End one of them and wait for it."""
        if process.returncode is None:
            process.send_signal(number)
        code = await process.wait()
        self.workers.remove(process)
        return code

    async def rows(self, query: str, **parameters: Any) -> list[Any]:
        """What Postgres says."""
        async with self.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(query), parameters)]

    async def value(self, query: str, **parameters: Any) -> Any:
        """The first column of the first row."""
        return (await self.rows(query, **parameters))[0][0]

    async def outcomes(self) -> Mapping[str, int]:
        """Receipts by outcome."""
        return dict(await self.rows("SELECT outcome, count(*) FROM receipts GROUP BY 1"))

    async def until(self, query: str, expected: Any, seconds: float = 60) -> None:
        """Wait until a query's first value is what is expected; the failure shows what it was instead."""
        async with asyncio.timeout(seconds):
            while (found := await self.value(query)) != expected:
                dead = [worker.returncode for worker in self.workers if worker.returncode not in (None, 0, -9)]
                assert not dead, self.log_tail()
                self.last_seen = found
                await asyncio.sleep(0.05)

    def log_tail(self) -> str:
        """The last words of every child process."""
        return "\n".join(f"{path.name}: {path.read_text()[-3000:]}" for path in sorted(self.logs.iterdir()))

    async def committed(self, of: TopicName = "documents") -> dict[int, int]:
        """Offsets that the group of a topic has committed, by partition; -1 where none."""
        topic, settings = self.settings.topic(of), self.settings
        group = settings.consumer_group if of == "documents" else settings.backfill_consumer_group
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.require_kafka_bootstrap())
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(group)
        finally:
            await admin.close()
        return {tp.partition: offset.offset for tp, offset in offsets.items() if tp.topic == topic}

    async def published(self, name: TopicName) -> list[dict[str, Any]]:
        """Everything on the scores or dead-letters topic."""
        topic = self.settings.topic(name)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.require_kafka_bootstrap(), auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            values = []
            while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
                batches = await consumer.getmany(timeout_ms=200)
                values += [json.loads(record.value) for records in batches.values() for record in records]
            return values
        finally:
            await consumer.stop()


@asynccontextmanager
async def deployed(settings: Settings, logs: Path) -> AsyncIterator[Deployment]:
    """Schema and topics made; everything that was started is killed at the end."""
    engine = create_engine(settings.require_database_url(), pool_size=3)
    bootstrap = settings.require_kafka_bootstrap()
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5, max_request_size=1_048_576)
    await admin.start()
    await admin.create_topics([NewTopic(settings.topic(name), PARTITIONS, 1) for name in TOPICS])
    await admin.close()
    await producer.start()
    logs.mkdir(exist_ok=True)
    deployment = Deployment(settings, engine, producer, logs)
    try:
        await upgrade(engine)
        yield deployment
    finally:
        for worker in list(deployment.workers):
            await deployment.stop(worker, signal.SIGKILL)
        await producer.stop()
        await engine.dispose()
