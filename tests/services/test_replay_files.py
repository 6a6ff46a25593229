"""Replays of files that stop and go on, follow the documents' clock, or are moved in time: a real Kafka."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stream_worker.ingest.topics import apply_topics
from stream_worker.settings import Settings
from tests.services.deployment import PARTITIONS, Deployment, deployed, document
from tests.services.replaying import ReplayCommand, records

LINES = [b'{"id": "%d", "title": "%s"}' % (number, b"y" * 200) for number in range(8_000)]
FIRST = datetime(2008, 9, 15, 8, tzinfo=UTC)


@pytest.fixture
async def command(kafka_bootstrap: str, topic_prefix: str, tmp_path: Path) -> ReplayCommand:
    settings = Settings(kafka_bootstrap=kafka_bootstrap, topic_prefix=topic_prefix)
    await apply_topics(settings)
    return ReplayCommand(settings, tmp_path / "home")


def _file(folder: Path, lines: list[bytes]) -> Path:
    path = folder / "lines.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def _bookmarks(command: ReplayCommand) -> list[Path]:
    folder = command.home / "replays"
    return list(folder.iterdir()) if folder.exists() else []


async def _interrupt(command: ReplayCommand, path: Path, number: int) -> int:
    """Begin a replay, end it after a while by that signal, and return how much stands in the topic."""
    process = await command.start(path, "--rate", 3_000, "--json")
    async with asyncio.timeout(60):
        while not _bookmarks(command) or not json.loads(_bookmarks(command)[0].read_text())["lines"]:
            await asyncio.sleep(0.05)
        process.send_signal(number)
        _, errors = await process.communicate()
    assert process.returncode == {signal.SIGINT: 130, signal.SIGKILL: -9}[signal.Signals(number)], errors
    return len(await records(command.settings))


async def test_an_interrupted_replay_goes_on_exactly_where_it_stopped(command: ReplayCommand, tmp_path: Path) -> None:
    path = _file(tmp_path, LINES)
    published = await _interrupt(command, path, signal.SIGINT)
    assert 0 < published < len(LINES)
    done = await command.run(path, "--json")
    assert (done.returncode, done.stderr) == (
        0,
        f"Going on after line {published}, where this replay stopped; --restart begins anew.\n",
    )
    summary = json.loads(done.stdout)
    assert (summary["published_before"], summary["lines"]) == (published, len(LINES) - published)
    assert Counter(record.value for record in await records(command.settings)) == Counter(LINES)


async def test_a_killed_replay_goes_on_and_loses_nothing(command: ReplayCommand, tmp_path: Path) -> None:
    path = _file(tmp_path, LINES)
    published = await _interrupt(command, path, signal.SIGKILL)
    done = await command.run(path, "--json")
    assert done.returncode == 0, done.stderr
    before = json.loads(done.stdout)["published_before"]
    assert 0 < before <= published
    values = Counter(record.value for record in await records(command.settings))
    assert set(values) == set(LINES)
    assert values.total() - len(LINES) == published - before, "only what was published after the last note is repeated"


async def test_a_replay_that_has_ended_begins_anew_and_so_does_one_that_is_told_to(
    command: ReplayCommand, tmp_path: Path
) -> None:
    path = _file(tmp_path, LINES)
    published = await _interrupt(command, path, signal.SIGINT)
    for times, options in enumerate((["--restart"], []), start=1):
        done = await command.run(path, *options, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["published_before"] == 0
        assert len(await records(command.settings)) == published + times * len(LINES)
        assert _bookmarks(command) == []


async def test_a_replay_into_a_topic_that_was_made_anew_begins_anew(command: ReplayCommand, tmp_path: Path) -> None:
    path = _file(tmp_path, LINES)
    await _interrupt(command, path, signal.SIGINT)
    (bookmark,) = _bookmarks(command)
    place = json.loads(bookmark.read_text())
    place["offsets"]["0"] = 1_000_000
    bookmark.write_text(json.dumps(place))
    done = await command.run(path, "--json")
    assert "was made anew since this replay stopped: it begins anew." in done.stderr
    assert json.loads(done.stdout)["lines"] == len(LINES)


async def test_history_goes_to_its_own_topic(command: ReplayCommand, tmp_path: Path) -> None:
    done = await command.run(_file(tmp_path, LINES[:10]), "--lane", "backfill")
    assert done.returncode == 0, done.stderr
    assert await records(command.settings) == []
    assert len(await records(command.settings, "documents-backfill")) == 10


async def test_the_documents_clock_and_now_are_one_where_it_is_rebased(command: ReplayCommand, tmp_path: Path) -> None:
    times = [FIRST + timedelta(hours=n) for n in range(4)]
    originals = [document("Profit up", id=str(n), published_at=time.isoformat()) for n, time in enumerate(times)]
    path = _file(tmp_path, [originals[0], b"no JSON", *originals[1:]])
    began = datetime.now(UTC)
    done = await command.run(path, "--speed", 7_200, "--rebase", "now", "--json")
    assert done.returncode == 0, done.stderr
    assert 1.5 <= json.loads(done.stdout)["seconds"] < 5
    stamps = {record.value or b"": record.timestamp / 1000 for record in await records(command.settings)}
    assert stamps.pop(b"no JSON")
    moved = {fields["id"]: (fields, stamp) for fields, stamp in ((json.loads(v), s) for v, s in stamps.items())}
    assert [moved[str(n)][0]["rebased_from"] for n in range(4)] == [time.isoformat() for time in times]
    now = [datetime.fromisoformat(moved[str(n)][0]["published_at"]) for n in range(4)]
    assert began <= now[0]
    assert [round((time - now[0]).total_seconds(), 3) for time in now] == [0, 0.5, 1, 1.5]
    assert all(abs(moved[str(n)][1] - time.timestamp()) < 0.5 for n, time in enumerate(now))


async def test_options_that_do_not_go_together_are_refused(command: ReplayCommand, tmp_path: Path) -> None:
    path = _file(tmp_path, LINES[:1])
    for arguments in ((path, "--rate", 1, "--speed", 1), ("--generate", "--rebase", "now"), (path, "--generate"), ()):
        done = await command.run(*arguments)
        assert (done.returncode, done.stdout) == (2, "")


class TestThroughTheWorker:
    @pytest.fixture
    async def deployment(self, settings: Settings, tmp_path: Path) -> AsyncIterator[Deployment]:
        async with deployed(settings, tmp_path / "logs") as deployment:
            yield deployment

    async def test_what_is_rebased_again_lives_again_and_is_the_same_documents(
        self, deployment: Deployment, tmp_path: Path
    ) -> None:
        """Without ids: a text is identified by its own time, wherever it is moved to."""
        command = ReplayCommand(deployment.settings, tmp_path / "home")
        times = [FIRST + timedelta(minutes=n) for n in range(5)]
        path = _file(tmp_path, [document(f"Profit {time:%M}", published_at=time.isoformat()) for time in times])
        await deployment.start("worker")
        for revisions, options in enumerate(([], ["--rebase", "now"], ["--rebase", "now"]), start=1):
            done = await command.run(path, *options)
            assert done.returncode == 0, done.stderr
            await deployment.until("SELECT count(*) FROM receipts", 5 * revisions)
            assert await deployment.rows("SELECT count(*), count(DISTINCT document_id) FROM documents") == [
                (5 * revisions, 5)
            ]
        topic = deployment.settings.topic("documents")
        settings = deployment.settings.model_copy(update={"topic_partitions": PARTITIONS})
        for record in await records(settings):
            await deployment.producer.send_and_wait(topic, record.value)
        await deployment.until("SELECT count(*) FROM receipts", 30)
        assert await deployment.outcomes() == {"accepted": 15, "duplicate": 15}
