"""`finsentry topics apply` and `list`."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

import click
import orjson

from stream_worker.ingest.topics import TopicState, apply_topics, list_topics
from stream_worker.settings import load_settings


@click.group()
def topics() -> None:
    """Make or list the Kafka topics: documents, documents-backfill, scores and dead-letters.

    Their names begin with FINSENTRY_TOPIC_PREFIX. Nothing makes topics by accident. Documents and scores are kept for
    7 days, dead letters for 30, history on its way in for 90; a message may have 1 MiB. What is to be remembered longer
    stands in Postgres.
    """


@topics.command("apply")
@click.option("--json", "as_json", is_flag=True, help="Print the topics as JSON.")
def apply_(as_json: bool) -> None:
    """Make the topics that are missing; leave the others alone.

    Refuses where an existing topic has fewer partitions than FINSENTRY_TOPIC_PARTITIONS.
    """
    _print(asyncio.run(apply_topics(load_settings())), as_json)


@topics.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the topics as JSON.")
def list_(as_json: bool) -> None:
    """Show the topics as they are. Exits 1 where one is missing."""
    states = asyncio.run(list_topics(load_settings()))
    _print(states, as_json)
    if not all(state.partitions for state in states):
        raise SystemExit(1)


def _print(states: Sequence[TopicState], as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps([asdict(state) for state in states]))
        return
    for state in states:
        condition = f"{state.partitions} partitions" if state.partitions else "MISSING"
        differs = "".join(f"  {name}={value} (not as planned)" for name, value in state.differs.items())
        click.echo(f"{state.name:<24} {condition}{'  made now' if state.made else ''}{differs}")
