"""All settings, and the only reader of the environment.

Each field is the variable `FINSENTRY_<NAME>`. Where the four server addresses are not set, the addresses that a
running `finsentry up` wrote to `<home>/stack.json` are used.
"""

import json
import os
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from stream_worker.errors import ConfigurationError

REPOSITORY_ROOT = Path(__file__).resolve().parent.parent

TopicName = Literal["documents", "documents-backfill", "scores", "dead-letters"]
#: Every topic, without the prefix.
TOPICS: tuple[TopicName, ...] = get_args(TopicName)


class Clock(StrEnum):
    """What "now" means for windows, boards and screens."""

    WALL = "wall"
    STREAM = "stream"


class Settings(BaseSettings):
    """Typed settings; see the field descriptions for meanings and units."""

    model_config = SettingsConfigDict(env_prefix="FINSENTRY_", extra="ignore", frozen=True)

    home: Path = Field(Path(".finsentry"), description="where the embedded stack keeps its data, logs and addresses")
    database_url: SecretStr | None = Field(None, description="PostgreSQL, as postgresql://user:password@host:port/name")
    redis_url: SecretStr | None = Field(None, description="Redis, as redis://host:port/0")
    kafka_bootstrap: str | None = Field(None, description="Kafka bootstrap servers, as host:port,host:port")
    triton_url: str | None = Field(None, description="Triton's gRPC address, as host:port")

    model_repository: Path = Field(
        REPOSITORY_ROOT / "triton_models" / "repository", description="the repository that Triton serves from"
    )
    clock: Clock = Field(Clock.WALL, description="wall, or stream: the newest published_at seen is now")

    topic_prefix: str = Field("", description="put before every topic name; lets two deployments share a broker")
    topic_partitions: int = Field(4, ge=1, description="partitions of topics made by `finsentry topics apply`")
    consumer_group: str = Field("finsentry-scoring", description="Kafka consumer group of the scoring workers")

    batch_documents: int = Field(256, ge=1, le=4096, description="a batch leaves when it holds so many documents")
    batch_wait_seconds: float = Field(0.02, gt=0, description="or when its first message has waited so long")
    batch_bytes: int = Field(262_144, ge=1, description="or so many bytes, a few seconds' work for the models")
    batches_in_flight: int = Field(3, ge=1, le=16, description="batches on their way to Postgres at once")
    dead_letter_limit: int = Field(1000, ge=0, description="so many dead letters in a row stop a worker; 0: never")
    drain_seconds: float = Field(10.0, gt=0, description="how long a stop or rebalance waits for batches in flight")
    inference_timeout_seconds: float = Field(10.0, gt=0, description="deadline of one request to Triton")
    prediction_cache: int = Field(20_000, ge=0, description="predictions of distinct texts kept by a worker")

    monitor_interval_seconds: float = Field(0.25, gt=0, description="how often the monitor looks for marks")
    feed_documents: int = Field(100, ge=1, description="documents in the live feed")
    board_hours: int = Field(24, ge=1, description="how far back the leader boards look")

    feeds: Path | None = Field(None, description="the feeds file (TOML) of `finsentry feeds`")
    feeds_user_agent: str = Field(
        f"finsentry/{version('finsentry')}", description="what feeds are asked as; some want an e-mail address in it"
    )
    feeds_private_networks: str = Field(
        "", description="networks that feeds may lie in besides the public internet, as 10.1.0.0/16,fd00::/8"
    )
    feeds_in_flight: int = Field(8, ge=1, le=256, description="feeds polled at once by a process")
    feeds_host_interval_seconds: float = Field(1.0, ge=0, description="pause between two requests to a host")
    feeds_timeout_seconds: float = Field(30.0, gt=0, description="from asking for a feed to its last byte")
    feeds_max_bytes: int = Field(10_000_000, ge=1, description="of a feed's document, after decompression")
    feeds_max_entries: int = Field(10_000, ge=1, le=20_000, description="of a feed's document")

    postgres_port: int = Field(15432, ge=1, le=65535, description="port of the embedded Postgres on loopback")
    redis_port: int = Field(16379, ge=1, le=65535, description="port of the embedded Redis on loopback")
    kafka_port: int = Field(19092, ge=1, le=65535, description="port of the embedded Kafka on loopback")
    kafka_controller_port: int = Field(19093, ge=1, le=65535, description="port of its controller on loopback")
    triton_port: int = Field(18001, ge=1, le=65535, description="gRPC port of the embedded Triton on loopback")
    triton_metrics_port: int = Field(18002, ge=1, le=65535, description="port of its metrics on loopback")
    dashboard_port: int = Field(8501, ge=1, le=65535, description="port of the dashboard on loopback")
    listen_address: str = Field("127.0.0.1", description="address that the gateway and the health ports listen on")
    gateway_port: int = Field(18080, ge=1, le=65535, description="HTTP port of the gateway")
    gateway_keys: Path | None = Field(
        None, description="file of the gateway's API keys, as `finsentry gateway-key` prints them; unset: loopback only"
    )
    gateway_body_bytes: int = Field(4_000_000, ge=1, description="largest request body, before and after gzip")
    gateway_body_documents: int = Field(1_000, ge=1, description="most documents of one request")
    gateway_bytes_in_flight: int = Field(64_000_000, ge=1, description="bodies in hand at once; above it clients wait")
    gateway_documents_in_flight: int = Field(20_000, ge=1, description="documents in hand at once, likewise")
    gateway_connections: int = Field(900, ge=1, description="connections at once; an open file each")
    gateway_body_seconds: float = Field(30.0, gt=0, description="how long a client may take to send a request")
    gateway_publish_seconds: float = Field(
        5.0, gt=0, description="how long a request waits for Kafka's acknowledgement"
    )
    gateway_idempotency_keys: int = Field(10_000, ge=1, description="answers remembered by their Idempotency-Key")
    worker_http_port: int = Field(19101, ge=0, le=65535, description="health and metrics of a worker; 0: none")
    monitor_http_port: int = Field(19102, ge=0, le=65535, description="health and metrics of a monitor; 0: none")
    feeds_http_port: int = Field(19103, ge=0, le=65535, description="health and metrics of the feeds; 0: none")
    stuck_seconds: float = Field(
        120.0, gt=0, description="work and no step for so long: /livez fails (waiting is a step)"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe level logged")
    log_format: Literal["json", "console"] = Field("json", description="json for machines, console for people")

    def topic(self, name: TopicName) -> str:
        """The full name of a topic."""
        return f"{self.topic_prefix}{name}"

    @property
    def backfill_consumer_group(self) -> str:
        """The group that reads history: apart, so that its rebalances do not stop live documents."""
        return f"{self.consumer_group}-backfill"

    def require_database_url(self) -> str:
        """The SQLAlchemy URL of Postgres through asyncpg. Raises ConfigurationError where none is known."""
        url = self.database_url or _missing("database_url", "DATABASE_URL")
        return url.get_secret_value().replace("postgresql://", "postgresql+asyncpg://", 1)

    def require_redis_url(self) -> str:
        """Raises ConfigurationError where no Redis is known."""
        url = self.redis_url or _missing("redis_url", "REDIS_URL")
        return url.get_secret_value()

    def require_kafka_bootstrap(self) -> str:
        """Raises ConfigurationError where no Kafka is known."""
        return self.kafka_bootstrap or _missing("kafka_bootstrap", "KAFKA_BOOTSTRAP")

    def require_triton_url(self) -> str:
        """Raises ConfigurationError where no Triton is known."""
        return self.triton_url or _missing("triton_url", "TRITON_URL")


#: The addresses that `finsentry up` writes to stack.json; any of them may be set by the environment instead.
ADDRESSES = ("database_url", "redis_url", "kafka_bootstrap", "triton_url")


def load_settings(*, use_stack: bool = True, **overrides: Any) -> Settings:
    """Settings from the environment, then addresses of a running embedded stack, then `overrides` on top.

    Without `use_stack`, addresses come from the environment alone (for who starts the stack).
    Raises ConfigurationError naming the variable that does not hold.
    """
    try:
        settings = Settings(**overrides)
        known = _stack_addresses(settings.home) if use_stack else {}
        missing = {name: known[name] for name in ADDRESSES if getattr(settings, name) is None and name in known}
        return Settings(**{**overrides, **missing})
    except ValidationError as error:
        problems = "; ".join(
            f"FINSENTRY_{'.'.join(map(str, problem['loc'])).upper()}: {problem['msg']}" for problem in error.errors()
        )
        raise ConfigurationError(f"The settings do not hold: {problems}.") from None


def unknown_variables() -> list[str]:
    """Variables FINSENTRY_… of the environment that are no setting: misspelt, or of another version."""
    known = {f"FINSENTRY_{name.upper()}" for name in Settings.model_fields} | {"FINSENTRY_DATA"}
    return sorted(name for name in os.environ if name.upper().startswith("FINSENTRY_") and name.upper() not in known)


def _stack_addresses(home: Path) -> dict[str, str]:
    path = home / "stack.json"
    try:
        state = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"Cannot read {path}: {error}. Remove it and run `finsentry up` again.") from None
    return {name: value for name, value in state.get("addresses", {}).items() if name in ADDRESSES}


def _missing(field: str, variable: str) -> Any:
    raise ConfigurationError(
        f"No address for {field.split('_')[0].title()}: set FINSENTRY_{variable}, or start the embedded stack with "
        "`finsentry up`."
    )
