"""`finsentry dead-letters list` and `replay`."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime

import click
import orjson

from stream_worker.commands.printable import printable
from stream_worker.domain.lanes import Lane
from stream_worker.domain.refusals import Reason
from stream_worker.ingest.dead_letters import (
    Chosen,
    DeadLetterRow,
    Replayed,
    count_by_reason,
    count_waiting_elsewhere,
    newest,
    replay_dead_letters,
)
from stream_worker.ingest.publisher import Publisher
from stream_worker.ingest.topics import documents_topic, max_message_bytes
from stream_worker.logs import configure_logging
from stream_worker.settings import Settings, load_settings
from stream_worker.storage.engine import create_engine

_PREVIEW_BYTES = 120

_reason = click.option(
    "--reason", type=click.Choice([str(reason) for reason in Reason]), help="Only those of this reason."
)


@click.group("dead-letters")
def dead_letters() -> None:
    """List or replay messages that could not become documents.

    Their bytes stand in Postgres, each with its reason and the place that it came from.
    """


@dead_letters.command("list")
@_reason
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="The newest so many.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def list_(reason: str | None, limit: int, as_json: bool) -> None:
    """Show how many there are of each reason, and the newest."""
    counts, letters = asyncio.run(_read(load_settings(), Chosen(reason), limit))
    if as_json:
        click.echo(orjson.dumps({"counts": counts, "dead_letters": [_as_json(letter) for letter in letters]}))
    else:
        _print(counts, letters)


@dead_letters.command("replay")
@_reason
@click.option("--all", "everything", is_flag=True, help="All that have not been replayed yet.")
@click.option(
    "--offset",
    "offsets",
    multiple=True,
    metavar="PARTITION/OFFSET",
    help="That one of the lane's topic, replayed before or not. May be given more than once.",
)
@click.option(
    "--lane",
    type=click.Choice([str(lane) for lane in Lane]),
    help="Only those of this lane; both by default, but live for --offset.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def replay(reason: str | None, everything: bool, offsets: tuple[str, ...], lane: str | None, as_json: bool) -> None:
    """Publish dead letters again to the topic that they came on, bytes unchanged, and mark them as replayed.

    For messages that a newer version takes, or that were refused by mistake. What is still bad comes back as a new dead
    letter. Exits 1 if one could not be sent.
    """
    if sum((reason is not None, everything, bool(offsets))) != 1:
        raise click.UsageError("Give one of --reason, --all and --offset.")
    settings = load_settings()
    configure_logging(settings)
    lanes = [Lane(lane)] if lane else [Lane.LIVE] if offsets else list(Lane)
    topic = documents_topic(settings, lanes[0])
    chosen = Chosen(reason, tuple((topic, *_position(offset)) for offset in offsets))
    replayed, elsewhere = asyncio.run(_replay(settings, chosen, lanes))
    click.echo(orjson.dumps(asdict(replayed) | {"elsewhere": elsewhere}) if as_json else _sentence(replayed))
    for name, count in elsewhere.items():
        click.echo(f"{count} of topic {printable(name)} WERE NOT: FINSENTRY_TOPIC_PREFIX names other topics.", err=True)
    missing = len(offsets) - replayed.seen if offsets else 0
    if missing:
        click.echo(f"{missing} of the offsets have no dead letter.", err=True)
    if missing or elsewhere or replayed.seen > replayed.replayed:
        sys.exit(1)


async def _read(settings: Settings, chosen: Chosen, limit: int) -> tuple[dict[str, int], list[DeadLetterRow]]:
    engine = create_engine(settings.require_database_url(), pool_size=1)
    try:
        async with engine.connect() as connection:
            return await count_by_reason(connection), await newest(connection, chosen, limit, _PREVIEW_BYTES)
    finally:
        await engine.dispose()


async def _replay(settings: Settings, chosen: Chosen, lanes: Sequence[Lane]) -> tuple[Replayed, dict[str, int]]:
    """Also how many were not, as they came on topics of no lane, by their topic."""
    total = Replayed(0, 0, 0)
    engine = create_engine(settings.require_database_url(), pool_size=1)
    try:
        for topic in (documents_topic(settings, lane) for lane in lanes):
            limit = await max_message_bytes(settings, topic)
            async with Publisher(settings.require_kafka_bootstrap(), topic, limit) as publisher:
                total += await replay_dead_letters(engine, publisher, replace(chosen, topic=topic), datetime.now(UTC))
        async with engine.connect() as connection:
            topics = [documents_topic(settings, lane) for lane in Lane]
            return total, await count_waiting_elsewhere(connection, chosen, topics)
    finally:
        await engine.dispose()


def _position(offset: str) -> tuple[int, int]:
    partition, _, number = offset.partition("/")
    if not (partition.isdecimal() and number.isdecimal()):
        raise click.BadParameter(f"{offset!r} is not PARTITION/OFFSET, for example 0/1234", param_hint="--offset")
    return int(partition), int(number)


def _as_json(letter: DeadLetterRow) -> dict[str, object]:
    return {**asdict(letter), "preview": _readable(letter.preview)}


def _readable(preview: bytes) -> str:
    """What people can read of untrusted bytes."""
    return printable(preview.decode("utf-8", "backslashreplace"))


def _print(counts: Mapping[str, int], letters: Sequence[DeadLetterRow]) -> None:
    if not counts:
        click.echo("There are no dead letters.")
    for reason, count in counts.items():
        click.echo(f"{count:>8} {reason}")
    for letter in letters:
        replayed = f"  replayed {letter.replayed_at:%Y-%m-%d %H:%M:%S}" if letter.replayed_at else ""
        click.echo(
            f"\n{letter.topic} {letter.partition}/{letter.offset}  received {letter.received_at:%Y-%m-%d %H:%M:%S}"
            f"  {letter.payload_bytes or 0} bytes{replayed}\n  {letter.reason}: {letter.detail}"
        )
        if letter.preview:
            click.echo(f"  {_readable(letter.preview)}")


def _sentence(replayed: Replayed) -> str:
    missing = replayed.without_value + replayed.too_large
    return f"{replayed.replayed} dead letters were published again." + (
        f" {missing} WERE NOT: {replayed.without_value} without a value, {replayed.too_large} too large."
        if missing
        else ""
    )
