"""The service as it runs in production, on servers of the bench's own: a worker process, its database and topics."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil
from pydantic import SecretStr

from stream_worker.ingest.due import Due
from stream_worker.ingest.publisher import Publisher
from stream_worker.ingest.replay import Replay
from stream_worker.ingest.topics import MAX_MESSAGE_BYTES, apply_topics
from stream_worker.local.ports import Ports
from stream_worker.local.process import ChildProcess, Program
from stream_worker.local.server import Server
from stream_worker.local.servers import Servers, start_all, stop_all
from stream_worker.local.services import service_environment
from stream_worker.settings import Settings, TopicName
from stream_worker.storage.engine import create_engine
from stream_worker.storage.migrate import upgrade

_POLL_SECONDS = 0.25
_LONGEST_SECONDS = 1_800.0


@contextmanager
def servers(home: Path, model_repository: Path) -> Iterator[Servers]:
    """Postgres, Kafka and Triton (no Redis: the worker does not use it). Postgres remembers when it committed what."""
    all_servers = Servers.at(home, Ports.free(), model_repository)
    needed: list[Server] = [all_servers.postgres, all_servers.kafka, all_servers.triton]
    start_all(needed)
    try:
        all_servers.postgres.query("postgres", "ALTER SYSTEM SET track_commit_timestamp = on")
        all_servers.postgres.stop()
        all_servers.postgres.start()
        yield all_servers
    finally:
        stop_all(needed)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the worker is. Times are of the database's clock, in seconds."""

    receipts: int
    first_batch: int
    first_at: float
    last_at: float


class Deployment:
    """One leg's own database, topics and worker on shared servers."""

    def __init__(self, on: Servers, name: str, home: Path, model_repository: Path) -> None:
        self.name = name
        self.servers = on
        self.settings = Settings(
            home=home,
            database_url=SecretStr(on.postgres.database_url(name)),
            kafka_bootstrap=on.kafka.address,
            triton_url=on.triton.address,
            topic_prefix=f"{name}.",
            consumer_group=f"{name}.scoring",
            model_repository=model_repository,
        )
        self.connection: asyncpg.Connection
        self._home = home
        self._worker: ChildProcess | None = None

    @property
    def worker(self) -> psutil.Process:
        """The worker's process."""
        assert self._worker is not None
        return psutil.Process(self._worker.pid)

    @property
    def is_started(self) -> bool:
        """Whether there is a worker."""
        return self._worker is not None and self._worker.running()

    @property
    def environment(self) -> dict[str, str]:
        """For a process that is to use this leg's database and topics."""
        addresses = {
            "database_url": self.servers.postgres.database_url(self.name),
            "kafka_bootstrap": self.servers.kafka.address,
            "triton_url": self.servers.triton.address,
        }
        return service_environment(self._home, addresses) | {
            "FINSENTRY_TOPIC_PREFIX": self.settings.topic_prefix,
            "FINSENTRY_CONSUMER_GROUP": self.settings.consumer_group,
            "FINSENTRY_MODEL_REPOSITORY": str(self.settings.model_repository),
            "FINSENTRY_WORKER_HTTP_PORT": "0",
        }

    def start_worker(self) -> None:
        """Spawn it; it needs a few seconds until it consumes."""
        command = ["env", f"--chdir={self._home}", sys.executable, "-m", "stream_worker.cli", "worker"]
        program = Program("the worker", command, self.environment, grace_seconds=35.0)
        self._worker = ChildProcess(program, self._home / "logs" / f"{self.name}.log")
        self._worker.spawn()

    def stop_worker(self) -> None:
        """Stop it and wait for its end."""
        if self._worker is not None:
            self._worker.stop()

    async def publish(self, lines: Iterable[bytes], to: TopicName = "documents") -> int:
        """Publish all of them at once; returns how many. Raises where Kafka has not acknowledged every one."""
        topic = self.settings.topic(to)
        async with Publisher(self.settings.require_kafka_bootstrap(), topic, MAX_MESSAGE_BYTES) as publisher:
            due = (Due(0.0, line, "bench") for line in lines)
            summary = await Replay(publisher).run(due, asyncio.Event())
        if not summary.complete:
            raise SystemExit(f"Kafka took only {summary.acknowledged} of {summary.lines} messages.")
        return summary.lines

    async def until_receipts(self, count: int, of: TopicName = "documents") -> Progress:
        """Wait until so many messages of a topic have their receipt."""
        deadline = time.monotonic() + _LONGEST_SECONDS
        while (progress := await self.progress(of)).receipts < count:
            assert self._worker is not None
            if not self._worker.running():
                raise SystemExit(f"The worker ended: {self._worker.last_words()} (its log: {self._worker.log}).")
            if time.monotonic() > deadline:
                raise SystemExit(f"The worker has written {progress.receipts} of {count} receipts and is too slow.")
            await asyncio.sleep(_POLL_SECONDS)
        return progress

    async def progress(self, of: TopicName = "documents") -> Progress:
        """Look once."""
        row = await self.connection.fetchrow(
            "WITH ends AS (SELECT count(*) AS receipts, min(received_at) AS first, max(received_at) AS last"
            " FROM receipts WHERE topic = $1)"
            " SELECT receipts, (SELECT count(*) FROM receipts WHERE topic = $1 AND received_at = first) AS first_batch,"
            " coalesce(extract(epoch FROM first), 0)::float8 AS first_at,"
            " coalesce(extract(epoch FROM last), 0)::float8 AS last_at FROM ends",
            self.settings.topic(of),
        )
        assert row is not None
        return Progress(*row)


@asynccontextmanager
async def deployed(on: Servers, name: str, home: Path, model_repository: Path) -> AsyncIterator[Deployment]:
    """A migrated database and topics of the leg's own; its worker, where one was started, is stopped at the end."""
    on.postgres.query("postgres", f"CREATE DATABASE {name}")
    deployment = Deployment(on, name, home, model_repository)
    engine = create_engine(deployment.settings.require_database_url(), pool_size=1)
    await upgrade(engine)
    await engine.dispose()
    await apply_topics(deployment.settings)
    deployment.connection = await asyncpg.connect(on.postgres.database_url(name))
    try:
        yield deployment
    finally:
        deployment.stop_worker()
        await deployment.connection.close()
