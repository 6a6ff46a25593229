"""`finsentry replay`: a file's lines, or generated headlines, as documents."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import click
import orjson
import structlog

from stream_worker.ingest.companies import known_companies
from stream_worker.ingest.due import Due
from stream_worker.ingest.generator import generate
from stream_worker.ingest.lines import LinesOfFiles
from stream_worker.ingest.publisher import Publisher
from stream_worker.ingest.replay import Replay, Summary, due_lines
from stream_worker.ingest.topics import max_message_bytes
from stream_worker.logs import configure_logging
from stream_worker.settings import Settings, load_settings

_GENERATED_PER_SECOND = 8.0
#: A shell's way to say "ended by Ctrl-C".
_EXIT_INTERRUPTED = 130

_log = structlog.get_logger(__name__)


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Lines a second; all at once by default.")
@click.option("--generate", "generated", is_flag=True, help="Make headlines dated now, until Ctrl-C or --count.")
@click.option("--count", type=click.IntRange(min=0), help="Stop after so many lines.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the generator.")
@click.option("--key-by-id", is_flag=True, help="Give messages their document's id (else url) as key.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def replay(
    files: tuple[Path, ...],
    rate: float | None,
    generated: bool,
    count: int | None,
    seed: int,
    key_by_id: bool,
    as_json: bool,
) -> None:
    """Publish each line of FILES (JSON Lines, .gz too) to the documents topic, its bytes unchanged.

    With --generate, headlines are made instead: about 8 a second (or --rate) in bursts, with stories, copies,
    corrections, comments, foreign text and junk, each keyed by its id. Exits 1 if Kafka has not acknowledged every
    line, and 130 if a file was interrupted.
    """
    if generated == bool(files):
        raise click.UsageError("Give either FILES or --generate.")
    settings = load_settings()
    configure_logging(settings)
    summary = asyncio.run(_run(settings, files, generated, rate, count, seed, key_by_id or generated))
    click.echo(orjson.dumps(summary.as_json()) if as_json else _sentence(summary))
    if not summary.complete:
        sys.exit(1)
    if summary.interrupted and not generated:
        sys.exit(_EXIT_INTERRUPTED)


async def _run(
    settings: Settings,
    files: tuple[Path, ...],
    generated: bool,
    rate: float | None,
    count: int | None,
    seed: int,
    key_by_id: bool,
) -> Summary:
    topic = settings.topic("documents")
    limit = await max_message_bytes(settings, topic)
    lines = LinesOfFiles(files, limit)
    messages: Iterable[Due] = _generated(settings, seed, rate) if generated else due_lines(lines, rate)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Publisher(settings.require_kafka_bootstrap(), topic, limit) as publisher:
        with _progress(lines) as advance:
            work = Replay(publisher, key_by_id=key_by_id, on_message=advance)
            return await work.run(islice(messages, count), stop)


def _generated(settings: Settings, seed: int, rate: float | None) -> Iterable[Due]:
    return generate(seed, datetime.now(UTC), rate or _GENERATED_PER_SECOND, known_companies(settings))


def _progress(lines: LinesOfFiles) -> AbstractContextManager[Callable[[], None]]:
    """A bar on standard error where a person sees it."""
    if not sys.stderr.isatty() or not lines.total_bytes:
        return nullcontext(lambda: None)
    from stream_worker.commands.progress import bar

    return bar(lambda: lines.read_bytes, lines.total_bytes)


def _sentence(summary: Summary) -> str:
    rate = summary.lines / summary.seconds if summary.seconds else 0.0
    places = ", ".join(f"{p}: {first} to {last}" for p, (first, last) in sorted(summary.partitions.items()))
    missing = summary.lines - summary.acknowledged
    return (
        f"{summary.acknowledged} of {summary.lines} lines are in Kafka ({summary.bytes} bytes in {summary.seconds} s, "
        f"{rate:.0f} lines/s)."
        + (
            f" {missing} ARE NOT: {summary.too_large} too large, {summary.unacknowledged} not acknowledged."
            * (missing > 0)
        )
        + (f"\nOffsets: {places}" if places else "")
    )
