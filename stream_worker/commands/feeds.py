"""`finsentry feeds`: RSS and Atom feeds as documents."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict

import click
import orjson

from stream_worker.commands.service import run_until_signal
from stream_worker.ingest.feeds.checking import FeedCheck, check_feeds
from stream_worker.ingest.feeds.config import load_feeds
from stream_worker.ingest.feeds.reading import Reader, ReadingLimits
from stream_worker.ingest.feeds.service import fetcher_from, run_feeds
from stream_worker.logs import configure_logging
from stream_worker.settings import Settings, load_settings


@click.command()
@click.option("--check", is_flag=True, help="Fetch each feed once, publish nothing, and say what was found.")
@click.option("--json", "as_json", is_flag=True, help="With --check: print everything as JSON.")
@click.option("--retry-gone", is_flag=True, help="Poll feeds again that were gone (410) and whose url is the same.")
def feeds(check: bool, as_json: bool, retry_gone: bool) -> None:
    """Poll the feeds of FINSENTRY_FEEDS and publish their entries as documents.

    Runs until SIGTERM or Ctrl-C; several may share the work. What is published, and when each feed is due, stands in
    Postgres. With --check it exits 1 if a feed cannot be read; neither Postgres nor Kafka is needed for that.
    """
    if as_json and not check:
        raise click.UsageError("--json goes with --check.")
    settings = load_settings()
    configure_logging(settings)
    if not check:
        run_until_signal(run_feeds(settings, retry_gone=retry_gone))
        return
    checks = asyncio.run(_check(settings))
    if as_json:
        click.echo(orjson.dumps([{**asdict(found), "holds": found.holds} for found in checks]))
    else:
        _print(checks)
    if not all(found.holds for found in checks):
        sys.exit(1)


async def _check(settings: Settings) -> list[FeedCheck]:
    listed = load_feeds(settings.feeds)
    async with fetcher_from(settings) as fetcher:
        return await check_feeds(
            listed, fetcher, Reader(ReadingLimits(settings.feeds_max_entries)), settings.feeds_in_flight
        )


def _print(checks: Sequence[FeedCheck]) -> None:
    width = max(len(found.feed) for found in checks)
    for found in checks:
        click.echo(f"{found.feed:<{width}}  {_sentence(found)}")
    broken = sum(not found.holds for found in checks)
    click.echo(f"{broken} of {len(checks)} feeds DO NOT HOLD." if broken else f"All {len(checks)} feeds hold.")


def _sentence(found: FeedCheck) -> str:
    if found.problem is not None:
        return f"{found.problem.upper()}  {found.detail}"
    parts = [f"{'ok' if found.holds else 'NO USABLE ENTRY':<10} {found.entries:>6} entries"]
    if found.newest:
        parts.append(f"newest {found.newest:%Y-%m-%d %H:%M} UTC")
    if found.skipped:
        parts.append("skipped " + ", ".join(f"{number} {reason}" for reason, number in found.skipped.items()))
    if found.malformed:
        parts.append("malformed XML")
    if found.moved_to:
        parts.append(f"moved to {found.moved_to}")
    return "  ".join(parts)
