"""Feeds polled from a real web server into a real Kafka, with their state in a real Postgres."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.domain.documents import Document, decode
from stream_worker.ingest.feeds.service import run_feeds
from stream_worker.settings import Settings
from tests.feed_server import FeedServer


@dataclass
class FeedsDeployment:
    """What a test can do to the service, and see of it."""

    settings: Settings
    engine: AsyncEngine
    server: FeedServer
    file: Path

    def list_feeds(self, urls: Mapping[str, str], **options: Any) -> None:
        """Write the feeds file: a URL for each name. Their intervals are so long that only `turn` makes them due."""
        options = {"source": "test", "interval_seconds": 86_400, **options}
        lines = [f"{name} = {value!r}" for name, value in options.items()]
        tables = ["\n".join(["[[feeds]]", f"name = {name!r}", f"url = {url!r}", *lines]) for name, url in urls.items()]
        self.file.write_text("\n\n".join(tables))

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator["asyncio.Task[None]"]:
        """The service, in this process."""
        task = asyncio.create_task(run_feeds(self.settings, **options))
        try:
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """`finsentry feeds ARGUMENTS…` as a child process."""
        settings = self.settings
        values = {name: getattr(settings, name) for name in settings.model_fields_set}
        values["database_url"] = values["database_url"].get_secret_value()
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stream_worker.cli", "feeds", *arguments),
            env=os.environ | {f"FINSENTRY_{name.upper()}": str(value) for name, value in values.items()},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def rows(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        async with self.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(query), parameters)]

    async def change(self, statement: str, **parameters: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), parameters)

    async def until(self, query: str, expected: Any, seconds: float = 30.0) -> None:
        """Wait until a query's first value is what is expected."""
        found = None
        try:
            async with asyncio.timeout(seconds):
                while (found := next(iter(await self.rows(query)), (None,))[0]) != expected:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{query} is {found!r}, not {expected!r}") from None

    async def first_turns(self, feeds: int) -> None:
        """Wait until so many feeds have had their first turn."""
        await self.until("SELECT count(*) FROM feeds WHERE due_at > now() AND claimed_by IS NULL", feeds)

    async def turn(self, feed: str) -> None:
        """Make a feed due, and wait until it has had its turn."""
        await self.change("UPDATE feeds SET due_at = now(), asked_at = NULL WHERE feed = :feed", feed=feed)
        waiting = f"SELECT count(*) FROM feeds WHERE feed = '{feed}' AND (due_at <= now() OR claimed_by IS NOT NULL)"
        await self.until(waiting, 0)

    async def problems(self) -> dict[str, str]:
        """The kind of problem of each feed that has one."""
        rows = await self.rows("SELECT feed, split_part(problem, ':', 1) FROM feeds WHERE problem IS NOT NULL")
        return dict(rows)

    async def messages(self) -> list[tuple[bytes | None, bytes]]:
        """Key and value of everything on the documents topic, a partition after the other."""
        topic = self.settings.topic("documents")
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.require_kafka_bootstrap(), auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            partitions = [TopicPartition(topic, number) for number in range(self.settings.topic_partitions)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            found = []
            while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
                batches = await consumer.getmany(timeout_ms=200)
                found += [(record.key, record.value) for records in batches.values() for record in records]
            return found
        finally:
            await consumer.stop()

    async def documents(self) -> list[Document]:
        """What a worker would make of them."""
        contents = [decode(value, datetime.now(UTC)) for _, value in await self.messages()]
        documents = [content for content in contents if isinstance(content, Document)]
        assert len(documents) == len(contents)
        return documents

    async def titles(self) -> list[str | None]:
        return sorted((document.title for document in await self.documents()), key=str)
