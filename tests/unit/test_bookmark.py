"""Bookmarks of replays, and how far everything is settled."""

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stream_worker.errors import FinsentryError
from stream_worker.ingest.bookmark import Bookmark, Place
from stream_worker.ingest.floor import Floor

PLACE = Place(41, datetime(2026, 11, 24, 12, tzinfo=UTC), {0: 17, 3: 5})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "lines.jsonl"
    path.write_text("{}\n")
    return path


def test_a_place_is_found_again_by_who_replays_the_same_in_the_same_way(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "home" / "replays"
    assert Bookmark(folder, [file], topic="documents").read() is None
    Bookmark(folder, [file], topic="documents").write(PLACE)
    assert Bookmark(folder, [file], topic="documents").read() == PLACE
    assert Bookmark(folder, [file], topic="documents-backfill").read() is None
    assert Bookmark(folder, [file, file], topic="documents").read() is None


def test_a_file_that_has_changed_is_another_one(file: Path, tmp_path: Path) -> None:
    Bookmark(tmp_path, [file]).write(PLACE)
    file.write_text("{}\n{}\n")
    assert Bookmark(tmp_path, [file]).read() is None


def test_what_was_removed_or_damaged_is_no_place(file: Path, tmp_path: Path) -> None:
    bookmark = Bookmark(tmp_path / "replays", [file])
    bookmark.write(PLACE)
    bookmark.remove()
    bookmark.remove()
    assert bookmark.read() is None
    bookmark.write(PLACE)
    (path,) = (tmp_path / "replays").iterdir()
    path.write_text(path.read_text()[:40])
    assert bookmark.read() is None


def test_the_same_replay_runs_once_at_a_time_and_another_beside_it(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "home" / "replays"
    with Bookmark(folder, [file], topic="documents").held():
        with Bookmark(folder, [file], topic="documents-backfill").held():
            pass
        with pytest.raises(FinsentryError, match="running already"), Bookmark(folder, [file], topic="documents").held():
            pass
    with Bookmark(folder, [file], topic="documents").held():
        pass


def test_the_floor_is_the_first_number_that_has_not_ended_whatever_the_order() -> None:
    numbers = list(range(100, 200))
    random.Random(5).shuffle(numbers)
    floor = Floor(100)
    ended: set[int] = set()
    for number in numbers:
        floor.ended(number)
        ended.add(number)
        assert floor.value == next(n for n in range(100, 201) if n not in ended)
    assert floor.value == 200
