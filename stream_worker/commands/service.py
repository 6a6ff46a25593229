"""The services, and what runs once before them: worker, monitor, migrate, score."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any

import click

from stream_worker.settings import Settings, load_settings

#: A service that was told to stop has so long to close what it has open before it is told again.
CANCEL_AGAIN_SECONDS = 5.0


@click.command()
def worker() -> None:
    """Score documents: Kafka in, Triton in the middle, Postgres and Kafka out.

    Runs until SIGTERM or Ctrl-C; batches in flight are finished (or, after FINSENTRY_DRAIN_SECONDS, left to be read
    again). Start as many as the documents topic has partitions. Exits 78 where a person must change something first.
    """
    settings = _service_settings()
    from stream_worker.app import run_worker

    _run(run_worker(settings))


@click.command()
def monitor() -> None:
    """Turn new scores into windows, and windows into live state in Redis. Runs until SIGTERM or Ctrl-C."""
    settings = _service_settings()
    from stream_worker.pipelines.monitoring import run_monitor

    run_until_signal(run_monitor(settings))


@click.command()
def migrate() -> None:
    """Bring the database to this program's schema and directory of instruments. Safe to run again, or twice at once.

    Instruments that you have changed stay as you have made them.
    """
    settings = load_settings()
    from stream_worker.directory.importing import Imported, import_built_in
    from stream_worker.storage.engine import create_engine
    from stream_worker.storage.migrate import upgrade

    async def run() -> tuple[str, Imported]:
        engine = create_engine(settings.require_database_url(), pool_size=1)
        try:
            return await upgrade(engine), await import_built_in(engine)
        finally:
            await engine.dispose()

    revision, imported = asyncio.run(run())
    click.echo(f"The database is at schema revision {revision}, the directory at version {imported.change.version}.")
    for refused in imported.refused:
        click.echo(f"An instrument of this release was not taken beside your own: {refused.reason}.", err=True)


@click.command()
@click.argument("source", type=click.File("rb"), default="-")
@click.option("--batch", default=64, show_default=True, help="Lines that are scored together.")
def score(source: Any, batch: int) -> None:
    """Score JSON lines from SOURCE (standard input by default) to standard output, without any server.

    In: {"id", "text" | "title"+"body", "body_type"?, "targets"?: [{text, start, end}]}. Out, in the same order:
    sentiment, polarity, truncated (there was more than is read), mentions, targets and model; {"id", "unscored":
    reason} for a text that the models do not know; {"id", "error"} for a bad line. Exits 1 if any line was bad.
    """
    settings = load_settings()
    from stream_worker.logs import configure_logging
    from stream_worker.offline import score_lines

    configure_logging(settings)
    bad = _run(score_lines(source, sys.stdout.buffer, settings, batch))
    if bad:
        click.echo(f"finsentry: {bad} bad lines, each with its error in the output.", err=True)
        sys.exit(1)


def _service_settings() -> Settings:
    from stream_worker.logs import configure_logging

    settings = load_settings()
    configure_logging(settings)
    return settings


def _run(main: Coroutine[Any, Any, Any]) -> Any:
    import uvloop

    return uvloop.run(main)


def run_until_signal(service: Coroutine[Any, Any, None]) -> None:
    """Run a service that runs for ever, until SIGTERM or Ctrl-C cancels it."""
    # Not on uvloop: where a connection was reset, redis-py would see its RuntimeError instead of a connection error.
    asyncio.run(_until_signal(service))


async def _until_signal(service: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(service)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    stopping = asyncio.ensure_future(stopped.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    while not task.done():
        # More than once: a library may take a cancellation for its own, and swallow it.
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_AGAIN_SECONDS)
    if not task.cancelled():
        task.result()
