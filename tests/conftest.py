"""Fixtures for tests that need real servers. Which one to use:

| you need                                  | ask for                           | you get                              |
|-------------------------------------------|-----------------------------------|--------------------------------------|
| all settings, isolated from other tests   | `settings`                        | `Settings`: an empty database, an    |
|                                           |                                   | empty Redis, a topic prefix, a group |
| only an empty Postgres database           | `database_url`                    | `postgresql://…`, dropped afterwards |
| only a database with the schema           | `engine`                          | an `AsyncEngine` on it               |
| only an empty Redis database              | `redis_url`                       | `redis://…`                          |
| only Kafka                                | `kafka_bootstrap`, `topic_prefix` | make your topics under the prefix    |
| only Triton, with `tests/stub_models.py`  | `triton_url`, `model_repository`  | gRPC address; the folder it serves   |
| to stop, kill or restart a server         | `servers`                         | `.postgres`, `.redis`, `.kafka`,     |
|                                           |                                   | `.triton`: `kill()`, `start()` …     |
| rows of shared/data                       | `shared_data`                     | its folder, or the test is skipped   |

The four servers are real (see `stream_worker/local`), started on first use and shared by the whole session, on free
ports, with data in a temporary folder. A test that kills a server must start it again. `kill`, `start` and `stop`
block; call them in the main thread (not through `asyncio.to_thread`: a process dies with the thread that started it).
To let the event loop run meanwhile: `server.spawn()`, then `await asyncio.to_thread(server.wait_ready)`.
"""

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.local.kafka import Kafka
from stream_worker.local.ports import Ports
from stream_worker.local.postgres import Postgres
from stream_worker.local.redis import Redis
from stream_worker.local.servers import Servers, stop_all
from stream_worker.local.triton import Triton
from stream_worker.settings import Settings
from stream_worker.storage.engine import create_engine
from stream_worker.storage.migrate import upgrade
from tests.stub_models import write_stub_repository


@pytest.fixture(scope="session")
def model_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that Triton serves: stub models with the contract of the real ones."""
    return write_stub_repository(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def stopped_servers(tmp_path_factory: pytest.TempPathFactory, model_repository: Path) -> Iterator[Servers]:
    """The session's servers, each started by the fixture that first needs it."""
    servers = Servers.at(tmp_path_factory.mktemp("servers"), Ports.free(), model_repository)
    yield servers
    stop_all(list(servers))


@pytest.fixture(scope="session")
def postgres(stopped_servers: Servers) -> Postgres:
    """The session's Postgres, running."""
    stopped_servers.postgres.start()
    return stopped_servers.postgres


@pytest.fixture(scope="session")
def redis_server(stopped_servers: Servers) -> Redis:
    """The session's Redis, running."""
    stopped_servers.redis.start()
    return stopped_servers.redis


@pytest.fixture(scope="session")
def kafka(stopped_servers: Servers) -> Kafka:
    """The session's Kafka, running: a real broker, never librdkafka's mock cluster."""
    stopped_servers.kafka.start()
    return stopped_servers.kafka


@pytest.fixture(scope="session")
def triton(stopped_servers: Servers) -> Triton:
    """The session's Triton with the stub models, running."""
    stopped_servers.triton.start()
    return stopped_servers.triton


@pytest.fixture(scope="session")
def servers(stopped_servers: Servers, postgres: Postgres, redis_server: Redis, kafka: Kafka, triton: Triton) -> Servers:
    """All four, running."""
    return stopped_servers


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    """An empty database of the test's own, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    postgres.query("postgres", f"CREATE DATABASE {name}")
    yield postgres.database_url(name)
    postgres.query("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """A database with the schema and no rows."""
    engine = create_engine(Settings(database_url=SecretStr(database_url)).require_database_url(), pool_size=3)
    await upgrade(engine)
    yield engine
    await engine.dispose()


@pytest.fixture
def redis_url(redis_server: Redis) -> str:
    """An empty Redis database. Tests run one after the other, so that they can share it."""
    url = redis_server.database_url(1)
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def kafka_bootstrap(kafka: Kafka) -> str:
    """host:port of the broker. Topics are not made by using them."""
    return kafka.address


@pytest.fixture
def topic_prefix() -> str:
    """Put it before the names of topics and groups: the broker is shared by all tests."""
    return f"t{uuid.uuid4().hex[:8]}."


@pytest.fixture
def triton_url(triton: Triton) -> str:
    """host:port of Triton's gRPC service."""
    return triton.address


@pytest.fixture
def settings(
    database_url: str,
    redis_url: str,
    kafka_bootstrap: str,
    triton_url: str,
    topic_prefix: str,
    model_repository: Path,
    tmp_path: Path,
) -> Settings:
    """Settings of a deployment that shares nothing with any other test. Nothing is migrated, no topic is made.

    Health and metrics have no port: several workers run beside each other. A test of them gives them one.
    """
    return Settings(
        home=tmp_path / "home",
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        kafka_bootstrap=kafka_bootstrap,
        triton_url=triton_url,
        topic_prefix=topic_prefix,
        consumer_group=f"{topic_prefix}scoring",
        model_repository=model_repository,
        worker_http_port=0,
        monitor_http_port=0,
        feeds_http_port=0,
    )


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the public data sets, from FINSENTRY_DATA."""
    folder = os.environ.get("FINSENTRY_DATA")
    if not folder:
        pytest.skip("FINSENTRY_DATA is not set: the public data sets are not part of the repository")
    return Path(folder).resolve()


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A FINSENTRY_ variable of the person who runs the tests must not change what they do."""
    for name in os.environ:
        if name.startswith("FINSENTRY_") and name != "FINSENTRY_DATA":
            monkeypatch.delenv(name)
