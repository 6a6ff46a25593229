"""`finsentry replay`: a file's lines, or generated headlines, as documents."""

import asyncio
import math
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import click
import orjson

from stream_worker.domain.lanes import Lane
from stream_worker.ingest.backlog import BacklogReader
from stream_worker.ingest.bookmark import Bookmark, Place
from stream_worker.ingest.companies import known_companies
from stream_worker.ingest.due import Due
from stream_worker.ingest.generator import generate
from stream_worker.ingest.lines import LinesOfFiles
from stream_worker.ingest.original_clock import OriginalClock, first_published_at, lines_by_clock, rebased
from stream_worker.ingest.pace import Pace
from stream_worker.ingest.publisher import Publisher
from stream_worker.ingest.replay import Replay, Summary, due_lines
from stream_worker.ingest.topics import documents_topic, max_message_bytes
from stream_worker.logs import configure_logging
from stream_worker.settings import Settings, load_settings

_GENERATED_PER_SECOND = 8.0
#: A shell's way to say "ended by Ctrl-C".
_EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class _Options:
    files: tuple[Path, ...]
    rate: float | None
    speed: float | None
    rebase: str | None
    lane: Lane
    generated: bool
    count: int | None
    seed: int
    key_by_id: bool
    restart: bool


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Lines a second; all at once by default.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    help="By the documents' own clock (published_at), so many times as fast; 1 is as it was.",
)
@click.option(
    "--rebase",
    type=click.Choice(["now"]),
    help="Move published_at and updated_at: the first line is now; with --speed, each line is when it is due.",
)
@click.option(
    "--lane",
    type=click.Choice([str(lane) for lane in Lane]),
    default=str(Lane.LIVE),
    show_default=True,
    help="backfill: history that waits until live documents leave room.",
)
@click.option("--restart", is_flag=True, help="Begin anew where an interrupted replay of the same would go on.")
@click.option("--generate", "generated", is_flag=True, help="Make headlines dated now, until Ctrl-C or --count.")
@click.option("--count", type=click.IntRange(min=0), help="Stop after so many lines.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the generator.")
@click.option("--key-by-id", is_flag=True, help="Give messages their document's id (else url) as key.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def replay(as_json: bool, lane: str, **given: object) -> None:
    """Publish each line of FILES (JSON Lines, .gz too) as a document, its bytes unchanged unless --rebase moves it.

    A replay that was interrupted or killed goes on where it stopped when the same is asked for again, as kept in
    FINSENTRY_HOME/replays: a few lines may then be published twice, and count once. While Kafka is away it waits, and
    its clock stands still.

    With --speed, a line that is older than one in front of it, or has no readable time, is published together with
    that one. With --rebase, documents keep their identity and become new revisions; a line without a readable time is
    left as it is, and an updated_at that would lie ahead becomes now (corrections keep their order by a millionth of
    what they lay ahead). Without --speed, what was published over a day after the first line would lie too far ahead
    of now, and become a dead letter.

    With --generate, headlines are made instead: about 8 a second (or --rate) in bursts, with stories, copies,
    corrections, comments, foreign text and junk, each keyed by its id. Exits 1 if Kafka has not acknowledged every
    line, and 130 if a file was interrupted.
    """
    options = _Options(lane=Lane(lane), **given)  # type: ignore[arg-type]
    _refuse_what_does_not_go_together(options)
    settings = load_settings()
    configure_logging(settings)
    summary = asyncio.run(_run(settings, options))
    click.echo(orjson.dumps(summary.as_json()) if as_json else _sentence(summary, options))
    if not summary.complete:
        sys.exit(1)
    if summary.interrupted and not options.generated:
        sys.exit(_EXIT_INTERRUPTED)


def _refuse_what_does_not_go_together(options: _Options) -> None:
    if options.generated == bool(options.files):
        raise click.UsageError("Give either FILES or --generate.")
    if options.rate and options.speed:
        raise click.UsageError("Give either --rate or --speed.")
    if options.generated and (options.speed or options.rebase or options.restart):
        raise click.UsageError("--speed, --rebase and --restart are for FILES.")


async def _run(settings: Settings, options: _Options) -> Summary:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    topic = documents_topic(settings, options.lane)
    limit = await max_message_bytes(settings, topic)
    async with Publisher(settings.require_kafka_bootstrap(), topic, limit) as publisher:
        if options.generated:
            messages = generate(
                options.seed, datetime.now(UTC), options.rate or _GENERATED_PER_SECOND, known_companies()
            )
            # Headlines carry the time at which they are due: after an outage they come late, and all at once.
            work = Replay(publisher, pace=Pace(math.inf), key_by_id=True)
            return await work.run(islice(messages, options.count), stop)
        bookmark = _bookmark(settings, options)
        with bookmark.held():
            return await _replay_files(settings, options, bookmark, publisher, limit, stop)


async def _replay_files(
    settings: Settings, options: _Options, bookmark: Bookmark, publisher: Publisher, limit: int, stop: asyncio.Event
) -> Summary:
    place = await _place(settings, options, bookmark)
    if place.lines:
        click.echo(f"Going on after line {place.lines}, where this replay stopped; --restart begins anew.", err=True)
    lines = LinesOfFiles(options.files, limit)
    pace = Pace()

    def note(settled: int) -> None:
        offsets = {partition: last for partition, (_, last) in publisher.delivery.offsets.items()}
        bookmark.write(Place(settled, place.begun_at, {**place.offsets, **offsets}))

    with _progress(lines) as advance:
        work = Replay(
            publisher,
            pace=pace,
            noted=note,
            published_before=place.lines,
            key_by_id=options.key_by_id,
            on_message=advance,
        )
        messages = _messages(options, lines, limit, pace, place.begun_at)
        summary = await work.run(islice(messages, options.count), stop)
    if not summary.interrupted:
        bookmark.remove()
    return summary


def _bookmark(settings: Settings, options: _Options) -> Bookmark:
    return Bookmark(
        settings.home / "replays",
        options.files,
        kafka=settings.require_kafka_bootstrap(),
        topic=documents_topic(settings, options.lane),
        key_by_id=options.key_by_id,
        count=options.count,
        rebase=options.rebase,
        # Speed decides when a line is published; what is published, only where it is moved.
        speed=options.speed if options.rebase else None,
    )


async def _place(settings: Settings, options: _Options, bookmark: Bookmark) -> Place:
    """Where to begin: where the same replay stopped, unless the topic has been made anew since."""
    beginning = Place(0, datetime.now(UTC), {})
    place = bookmark.read()
    if place is None or not place.lines or options.restart:
        return beginning
    topic = documents_topic(settings, options.lane)
    async with BacklogReader(settings.require_kafka_bootstrap()) as reader:
        ends = {found.partition: found.end for found in await reader.partitions(topic, settings.consumer_group)}
    if any(ends.get(partition, 0) <= last for partition, last in place.offsets.items()):
        click.echo(f"The topic {topic} was made anew since this replay stopped: it begins anew.", err=True)
        return beginning
    return place


def _messages(options: _Options, lines: LinesOfFiles, limit: int, pace: Pace, begun_at: datetime) -> Iterator[Due]:
    now = datetime.now(UTC)
    first = first_published_at(LinesOfFiles(options.files, limit), now) if options.speed or options.rebase else None
    if first is None:
        return due_lines(lines, options.rate)
    if options.speed is None:
        # The same times again after a kill, so that what is published twice is a duplicate.
        messages = due_lines(lines, options.rate)
        return rebased(messages, lambda time: time - first + begun_at, lambda _: begun_at, now)
    clock = OriginalClock(first, options.speed)
    messages = lines_by_clock(lines, clock, now)
    if not options.rebase:
        return messages
    return rebased(
        messages, lambda time: pace.time_of(clock.seconds(time)), lambda line: pace.time_of(line.after_seconds), now
    )


def _progress(lines: LinesOfFiles) -> AbstractContextManager[Callable[[], None]]:
    """A bar on standard error where a person sees it."""
    if not sys.stderr.isatty() or not lines.total_bytes:
        return nullcontext(lambda: None)
    from stream_worker.commands.progress import bar

    return bar(lambda: lines.read_bytes, lines.total_bytes)


def _sentence(summary: Summary, options: _Options) -> str:
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
        + f" {summary.published_before} lines in front of them were published before." * (summary.published_before > 0)
        + (f"\nOffsets: {places}" if places else "")
        + ("\nInterrupted; the same command goes on from here." if summary.interrupted and options.files else "")
    )
