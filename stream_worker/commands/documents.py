"""`finsentry show` and `finsentry erase`: one document, by its names."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

import click
import orjson
from redis.exceptions import RedisError

from stream_worker.commands.printable import printable
from stream_worker.domain.documents import identity
from stream_worker.errors import Unavailable
from stream_worker.settings import Settings, load_settings
from stream_worker.storage import live
from stream_worker.storage.document_reader import Row, read_document
from stream_worker.storage.engine import create_engine
from stream_worker.storage.erasure import Erased, Name, namesakes
from stream_worker.storage.erasure import erase as erase_document

#: Of each text.
_SHOWN_CHARACTERS = 200

_NAMED = (
    click.option("--source", help="Who published it; with --id or --url."),
    click.option("--id", "source_id", help="The source's own id."),
    click.option("--url", help="Its address, where the source gives no id."),
    click.option("--document-id", help="Or finsentry's id of the document."),
    click.option("--json", "as_json", is_flag=True, help="Print everything as JSON."),
)


def _named(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_NAMED):
        command = option(command)
    return command


@click.command()
@_named
def show(source: str | None, source_id: str | None, url: str | None, document_id: str | None, as_json: bool) -> None:
    """Print all that is stored of one document: revisions, their scores, receipts. Exits 1 where there is nothing."""
    document_id, _ = _which(source, source_id, url, document_id)
    document = asyncio.run(_read(load_settings(), document_id))
    if as_json:
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    else:
        _print(document)
    known = document["revisions"] or document["receipts"] or document["erasure"]
    sys.exit(0 if known else 1)


@click.command()
@_named
@click.option("--reason", required=True, help="Who asked for it and why; kept with the erasure.")
@click.option("--before-it-comes", is_flag=True, help="The document may be one that is still to come.")
@click.confirmation_option(prompt="The text cannot be brought back. Erase it?")
def erase(
    source: str | None,
    source_id: str | None,
    url: str | None,
    document_id: str | None,
    as_json: bool,
    reason: str,
    before_it_comes: bool,
) -> None:
    """Remove the text of one document for good, and never store it again.

    Gone are its texts, names and mentions in Postgres, dead letters that name it, and its place in Redis. Scores and
    windows stay: retract a document first if it should not count either. Kafka cannot delete single messages; they go
    when the topics' retention is over, from dead-letters too. Exits 1 where nothing of the document is stored, unless
    --before-it-comes says that this is meant.
    """
    document_id, name = _which(source, source_id, url, document_id)
    done = asyncio.run(_erase(load_settings(), document_id, name, reason))
    if as_json:
        click.echo(orjson.dumps([{"document_id": one, **asdict(erased)} for one, erased in done.items()]))
    else:
        _print_erased(done)
    if not before_it_comes and not any(erased.messages for erased in done.values()):
        click.echo(
            "finsentry: nothing of it was stored. Is the name right? A tombstone was made all the same.", err=True
        )
        sys.exit(1)


def _print_erased(done: dict[str, Erased]) -> None:
    for document_id, erased in done.items():
        click.echo(
            f"Erased {document_id}: {erased.revisions} revisions, {erased.mentions} mentions, {erased.dead_letters} "
            "dead letters. A tombstone keeps it from coming back."
        )
        if erased.messages:
            places = ", ".join(f"{topic}/{partition}@{offset}" for topic, partition, offset in erased.messages)
            click.echo(f"Kafka holds the messages until its topics' retention is over: {places}.")


def _which(
    source: str | None, source_id: str | None, url: str | None, document_id: str | None
) -> tuple[str, Name | None]:
    if document_id is not None and source is source_id is url is None:
        return document_id, None
    if document_id is None and source is not None and (source_id is None) != (url is None):
        return identity(source, source_id, url), Name(source, source_id, url)
    raise click.UsageError("Name the document: --source with --id or --url, or --document-id.")


async def _read(settings: Settings, document_id: str) -> Row:
    engine = create_engine(settings.require_database_url(), pool_size=1)
    try:
        async with engine.connect() as connection:
            return await read_document(connection, document_id)
    finally:
        await engine.dispose()


async def _erase(settings: Settings, document_id: str, name: Name | None, reason: str) -> dict[str, Erased]:
    """By document: that of the name, and those that have the name besides another one.

    Raises Unavailable where Redis is away: Postgres is done by then, and erasing again finishes the rest.
    """
    engine = create_engine(settings.require_database_url(), pool_size=1)
    redis = live.connect(settings.require_redis_url())
    try:
        others = await namesakes(engine, name) if name is not None else []
        done = {
            one: await erase_document(engine, one, name, reason, datetime.now(UTC))
            for one in dict.fromkeys((document_id, *others))
        }
        # The monitor publishes the feed anew; until then it is empty.
        await redis.delete(live.FEED)
    except RedisError as error:
        raise Unavailable(f"The text is gone from Postgres, but Redis is away ({error}): erase it again.") from error
    finally:
        await redis.aclose()
        await engine.dispose()
    return done


def _print(document: Row) -> None:
    click.echo(f"document {document['document_id']}")
    if document["erasure"]:
        click.echo(f"  erased {_time(document['erasure']['erased_at'])}: {document['erasure']['reason']}")
    for revision in document["revisions"]:
        _print_revision(revision)
    for r in document["receipts"]:
        click.echo(f"  {r['outcome']:<12} {r['topic']}/{r['partition']}@{r['kafka_offset']}  {_time(r['received_at'])}")


def _print_revision(revision: Row) -> None:
    current = "current revision" if revision["is_current"] else "revision"
    when = _time(revision["updated_at"] or revision["published_at"])
    what = "retracted" if revision["is_retraction"] else revision["kind"]
    click.echo(f"  {current} {revision['content_digest']}  {what}  {revision['source']}  {when}")
    for name in ("title", "body", "unscored_reason"):
        if revision[name]:
            click.echo(f"    {name}: {printable(revision[name][:_SHOWN_CHARACTERS])}")
    for score in revision["scores"]:
        polarity = score["positive"] - score["negative"]
        click.echo(f"    {score['instrument_id'] or 'as a whole':<16} {polarity:+.3f}  {score['model_version']}")


def _time(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
