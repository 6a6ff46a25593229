"""Asks every server and process at once, each for a few seconds at the most; whoever is away is a finding."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import grpc
from pydantic import SecretStr
from tritonclient.grpc import service_pb2_grpc

from stream_worker.errors import Unavailable, in_words
from stream_worker.inference.contract import ENTITIES, SENTIMENT
from stream_worker.inference.question import question
from stream_worker.ingest.backlog import BacklogReader, read_by_workers
from stream_worker.ingest.topics import missing_topics
from stream_worker.local.state import read_state
from stream_worker.settings import Settings
from stream_worker.status.findings import LaneBacklog, Schema, Server, Status
from stream_worker.status.processes import processes
from stream_worker.storage import live
from stream_worker.storage.activity import Activity, lately
from stream_worker.storage.engine import create_engine
from stream_worker.storage.migrate import current_revision, head_revision

T = TypeVar("T")

_ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Asked(Generic[T]):
    server: Server
    answer: T | None


async def ask_everybody(settings: Settings) -> Status:
    """Raises ConfigurationError where the state of the embedded stack is damaged."""
    state = read_state(settings.home)
    postgres, redis, kafka, triton, found = await asyncio.gather(
        _ask("Postgres", _place(settings.database_url), lambda: _postgres(settings)),
        _ask("Redis", _place(settings.redis_url), lambda: _redis(settings)),
        _ask("Kafka", settings.kafka_bootstrap, lambda: _kafka(settings)),
        _ask("Triton", settings.triton_url, lambda: _triton(settings)),
        processes(settings, state),
    )
    schema, activity = postgres.answer or (None, None)
    missing_topics, lanes = kafka.answer or (None, None)
    return Status(
        at=datetime.now(UTC),
        home=str(settings.home),
        version=version("finsentry"),
        up=None if state is None else state.supervisor is not None and state.supervisor.running(),
        servers={asked.server.title.lower(): asked.server for asked in (postgres, redis, kafka, triton)},
        processes=found,
        missing_topics=missing_topics,
        lanes=lanes,
        schema=schema,
        activity=activity,
        live_view_at=redis.answer,
    )


async def _ask(title: str, address: str | None, question: Callable[[], Awaitable[T]]) -> _Asked[T]:
    if address is None:
        return _Asked(Server(title, None, 0.0, "there is no address for it"), None)
    began = time.perf_counter()
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            answer = await question()
    except TimeoutError:
        return _Asked(_server(title, address, began, f"no answer within {_ANSWER_SECONDS:g} s"), None)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is wrong
        return _Asked(_server(title, address, began, in_words(error)), None)
    return _Asked(_server(title, address, began, ""), answer)


def _server(title: str, address: str, began: float, problem: str) -> Server:
    return Server(title, address, round(time.perf_counter() - began, 3), problem)


async def _postgres(settings: Settings) -> tuple[Schema, Activity | None]:
    engine = create_engine(settings.require_database_url(), pool_size=1)
    try:
        schema = Schema(await current_revision(engine), head_revision())
        if schema.current != schema.needed:
            return schema, None
        async with engine.connect() as connection:
            return schema, await lately(connection, settings.topic("documents"))
    finally:
        await engine.dispose()


async def _redis(settings: Settings) -> datetime | None:
    """When the live view was published last."""
    async with live.connect(settings.require_redis_url()) as client:
        feed = await live.published_feed(client)
    return datetime.fromisoformat(feed["as_of"]) if feed is not None else None


async def _kafka(settings: Settings) -> tuple[list[str], Mapping[str, LaneBacklog]]:
    missing = await missing_topics(settings)
    lanes: dict[str, LaneBacklog] = {}
    async with BacklogReader(settings.require_kafka_bootstrap()) as reader:
        for lane, (topic, group) in read_by_workers(settings).items():
            partitions = await reader.partitions(topic, group)
            waiting = sum(partition.lag for partition in partitions)
            lanes[lane.value] = LaneBacklog(topic, group, len(partitions), await reader.members(group), waiting)
    return missing, lanes


async def _triton(settings: Settings) -> None:
    """A real inference by each model: Triton calls itself ready while the process behind one is dead."""
    async with grpc.aio.insecure_channel(settings.require_triton_url()) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for model in (SENTIMENT, ENTITIES):
            try:
                await stub.ModelInfer(question(model), timeout=_ANSWER_SECONDS)
            except grpc.aio.AioRpcError as error:
                raise Unavailable(f"its model {model}: {error.details()}", "triton") from None


def _place(url: SecretStr | None) -> str | None:
    """Host, port and database, without who connects and how."""
    if url is None:
        return None
    parts = urlsplit(url.get_secret_value())
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"
