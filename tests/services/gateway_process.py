"""A gateway for tests: a child process on a real broker, a client for it, and what stands on its topic."""

import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_worker.domain.lanes import Lane
from stream_worker.ingest.topics import apply_topics, documents_topic
from stream_worker.local.ports import free_port
from stream_worker.settings import Settings

PARTITIONS = 2


def document(**fields: Any) -> dict[str, Any]:
    """A good document; what is None is left out."""
    made = {"source": "test", "kind": "news", "published_at": "2024-03-05T10:00:00Z", "title": "Up"} | fields
    return {name: value for name, value in made.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer whose body is JSON."""

    status: int
    headers: Any
    body: dict[str, Any]


@dataclass
class Gateway:
    """The process, and what a test does with it."""

    settings: Settings
    process: asyncio.subprocess.Process
    session: aiohttp.ClientSession
    log: Path
    connections: list[asyncio.StreamWriter] = field(default_factory=list)

    async def post(self, body: Any, lane: str | None = None, **headers: str) -> Reply:
        """POST /v1/documents; what is not bytes is sent as JSON. Names of headers with _ for -."""
        data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        sent = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
        path = "/v1/documents" if lane is None else f"/v1/documents?lane={lane}"
        async with self.session.post(path, data=data, headers=sent) as response:
            return Reply(response.status, response.headers, await response.json(content_type=None))

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text."""
        async with self.session.get(path) as response:
            return response.status, await response.text()

    async def until_ready(self, seconds: float = 30) -> None:
        """Wait until `/readyz` says so. The failure shows the log."""
        async with asyncio.timeout(seconds):
            while not await self._ready():
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.05)

    async def raw(self, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection of its own on which so much has been sent; it is closed in the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.settings.gateway_port)
        self.connections.append(writer)
        writer.write(data)
        await writer.drain()
        return reader, writer

    async def in_flight_bytes(self) -> float:
        """As its metrics tell."""
        _, metrics = await self.get("/metrics")
        line = next(line for line in metrics.splitlines() if line.startswith("finsentry_gateway_in_flight_bytes "))
        return float(line.split()[1])

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.process.wait()

    async def published(self, lane: Lane = Lane.LIVE) -> dict[tuple[int, int], tuple[bytes, bytes]]:
        """Key and value of every message on the lane's topic, by partition and offset."""
        return await published(self.settings, lane)

    async def _ready(self) -> bool:
        try:
            return (await self.get("/readyz"))[0] == 200
        except aiohttp.ClientError:
            return False


async def published(settings: Settings, lane: Lane = Lane.LIVE) -> dict[tuple[int, int], tuple[bytes, bytes]]:
    """Key and value of every message on the lane's topic, by partition and offset."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.require_kafka_bootstrap(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(documents_topic(settings, lane), number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: dict[tuple[int, int], tuple[bytes, bytes]] = {}
        while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found |= {(record.partition, record.offset): (record.key, record.value) for record in records}
        return found
    finally:
        await consumer.stop()


async def with_topics(kafka_bootstrap: str, topic_prefix: str, **fields: Any) -> Settings:
    """Settings of a gateway on a free port, its topics made."""
    settings = Settings(
        kafka_bootstrap=kafka_bootstrap,
        topic_prefix=topic_prefix,
        topic_partitions=PARTITIONS,
        gateway_port=free_port(),
        **fields,
    )
    await apply_topics(settings)
    return settings


@asynccontextmanager
async def running_gateway(settings: Settings, log: Path) -> AsyncIterator[Gateway]:
    """A child process; it is killed at the end, and not waited for in the beginning."""
    variables = {f"FINSENTRY_{name.upper()}": str(getattr(settings, name)) for name in settings.model_fields_set}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stream_worker.cli", "gateway"),
            env=os.environ | variables,
            stdout=output,
            stderr=output,
        )
    async with aiohttp.ClientSession(f"http://127.0.0.1:{settings.gateway_port}") as session:
        gateway = Gateway(settings, process, session, log)
        try:
            yield gateway
        finally:
            await gateway.stop(signal.SIGKILL)
            for writer in gateway.connections:
                writer.close()
            await asyncio.gather(*(it.wait_closed() for it in gateway.connections), return_exceptions=True)
