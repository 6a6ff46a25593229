"""The Kafka topics: what they are, making them, looking at them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, TopicAlreadyExistsError, for_code

from stream_worker.domain.lanes import Lane
from stream_worker.errors import ConfigurationError, Unavailable
from stream_worker.settings import Settings

#: Of one message, its Kafka overhead included: Kafka's own default, which every client's default accepts.
MAX_MESSAGE_BYTES = 1_048_588
_DAY_MS = 24 * 3600 * 1000
#: The broker's own default replication.
_DEFAULT_REPLICATION = -1
_HEARSAY_TRIES = 40
_HEARSAY_SECONDS = 0.25


@dataclass(frozen=True)
class TopicPlan:
    """A topic as we want it. Retention in days; `configs` are Kafka's own names."""

    name: str
    partitions: int
    configs: Mapping[str, str]


@dataclass(frozen=True)
class TopicState:
    """A topic as it is: `partitions` 0 where it does not exist, `differs` the configs that are not as planned."""

    name: str
    partitions: int
    differs: Mapping[str, str]
    made: bool = False


def planned_topics(settings: Settings) -> tuple[TopicPlan, ...]:
    """documents, documents-backfill, scores and dead-letters.

    Postgres is the truth, so that Kafka need not remember: documents and scores stay for 7 days (the longest outage of
    workers or readers that costs nothing), dead letters for 30 (people read them), and history for 90: it waits until
    live documents leave room. Documents are stamped by the broker: retention counts from a message's own time, and a
    producer that stamps its messages with the time of an old article would see them deleted before they are read.
    """
    common = {"cleanup.policy": "delete", "max.message.bytes": str(MAX_MESSAGE_BYTES)}
    week = {**common, "retention.ms": str(7 * _DAY_MS)}
    quarter = {**common, "retention.ms": str(90 * _DAY_MS)}
    stamped = {"message.timestamp.type": "LogAppendTime"}
    partitions = settings.topic_partitions
    return (
        TopicPlan(settings.topic("documents"), partitions, {**week, **stamped}),
        TopicPlan(settings.topic("documents-backfill"), partitions, {**quarter, **stamped}),
        TopicPlan(settings.topic("scores"), partitions, week),
        TopicPlan(settings.topic("dead-letters"), 1, {**common, "retention.ms": str(30 * _DAY_MS)}),
    )


def documents_topic(settings: Settings, lane: Lane) -> str:
    """Where the documents of a lane are published."""
    return settings.topic("documents" if lane is Lane.LIVE else "documents-backfill")


async def apply_topics(settings: Settings) -> list[TopicState]:
    """Make the topics that are not there; safe to run again, or twice at once.

    What exists is left as it is. Raises ConfigurationError where an existing topic has fewer partitions than planned
    (adding some would move keys to other partitions behind the workers' backs), or where the broker refuses; and
    Unavailable where it does not answer.
    """
    plans = planned_topics(settings)
    async with _admin(settings) as admin:
        before = await _states(admin, plans)
        _refuse_fewer_partitions(plans, before)
        missing = [plan for plan, state in zip(plans, before, strict=True) if not state.partitions]
        if missing:
            await _create(admin, missing)
        made = {plan.name for plan in missing}
        after = await _known_states(admin, plans)
        _refuse_fewer_partitions(plans, after)
    return [TopicState(state.name, state.partitions, state.differs, state.name in made) for state in after]


async def list_topics(settings: Settings) -> list[TopicState]:
    """The topics as they are. Raises Unavailable where Kafka does not answer."""
    async with _admin(settings) as admin:
        return await _states(admin, planned_topics(settings))


async def missing_topics(settings: Settings) -> list[str]:
    """Those that are planned and do not exist. Raises Unavailable where Kafka does not answer."""
    return [topic.name for topic in await list_topics(settings) if not topic.partitions]


async def require_topics(settings: Settings) -> None:
    """Raises ConfigurationError where a planned topic does not exist, Unavailable where Kafka does not answer."""
    if missing := await missing_topics(settings):
        raise ConfigurationError(f"There is no topic {', '.join(missing)}: run `finsentry topics apply`.")


async def max_message_bytes(settings: Settings, topic: str) -> int:
    """The broker's limit for one message of an existing topic.

    Raises ConfigurationError where the topic does not exist.
    """
    async with _admin(settings) as admin:
        if not (await _partition_counts(admin, [topic]))[topic]:
            raise ConfigurationError(f"There is no topic {topic}: run `finsentry topics apply` first.")
        configs = await _configs(admin, [topic])
    return int(configs.get(topic, {}).get("max.message.bytes", MAX_MESSAGE_BYTES))


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    bootstrap = settings.require_kafka_bootstrap()
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=20_000)
    try:
        await client.start()
        yield client
    except KafkaError as error:
        if not error.retriable:
            raise ConfigurationError(f"Kafka at {bootstrap} refuses: {error}.") from error
        raise Unavailable(f"Kafka at {bootstrap} does not answer: {error}.", "kafka") from error
    finally:
        await client.close()


async def _create(admin: AIOKafkaAdminClient, plans: list[TopicPlan]) -> None:
    topics = [
        NewTopic(
            plan.name,
            num_partitions=plan.partitions,
            replication_factor=_DEFAULT_REPLICATION,
            replica_assignments={},
            topic_configs=dict(plan.configs),
        )
        for plan in plans
    ]
    response = await admin.create_topics(topics)
    for name, code, *message in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise ConfigurationError(f"Kafka refuses to make the topic {name}: {message[0] if message else error}.")


async def _states(admin: AIOKafkaAdminClient, plans: tuple[TopicPlan, ...]) -> list[TopicState]:
    names = [plan.name for plan in plans]
    counts = await _partition_counts(admin, names)
    configs = await _configs(admin, [name for name in names if counts[name]])
    return [
        TopicState(plan.name, counts[plan.name], _differences(plan, configs.get(plan.name, plan.configs)))
        for plan in plans
    ]


async def _known_states(admin: AIOKafkaAdminClient, plans: tuple[TopicPlan, ...]) -> list[TopicState]:
    """The states when the brokers have heard of every topic: the controller that made them knows earlier."""
    for _ in range(_HEARSAY_TRIES):
        states = await _states(admin, plans)
        if all(state.partitions for state in states):
            return states
        await asyncio.sleep(_HEARSAY_SECONDS)
    raise Unavailable("Kafka's controller made the topics, but its brokers do not know them yet: try again.", "kafka")


def _differences(plan: TopicPlan, configs: Mapping[str, str]) -> dict[str, str]:
    return {name: configs[name] for name, planned in plan.configs.items() if configs.get(name, planned) != planned}


async def _partition_counts(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, int]:
    described = await admin.describe_topics(names)
    found = {topic["topic"]: len(topic["partitions"]) for topic in described if not topic["error_code"]}
    return {name: found.get(name, 0) for name in names}


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """The effective configs of existing topics; none where the broker (librdkafka's mock) cannot be asked."""
    if not names:
        return {}
    try:
        responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    except IncompatibleBrokerVersion:
        return {}
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for response in responses
        for resource in response.resources
    }


def _refuse_fewer_partitions(plans: tuple[TopicPlan, ...], states: list[TopicState]) -> None:
    for plan, state in zip(plans, states, strict=True):
        if 0 < state.partitions < plan.partitions:
            raise ConfigurationError(
                f"The topic {plan.name} has {state.partitions} partitions, fewer than the {plan.partitions} of "
                "FINSENTRY_TOPIC_PARTITIONS: lower that, add partitions, or set another FINSENTRY_TOPIC_PREFIX."
            )
