"""Where a replay of files stopped, so that the same replay can go on from there."""

import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from stream_worker.errors import FinsentryError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """The first `lines` lines are settled: in Kafka, or counted as too large or refused. `begun_at` is when the replay
    began, `offsets` are the last ones that it was told, by partition."""

    lines: int
    begun_at: datetime
    offsets: Mapping[int, int]


class Bookmark:
    """One file for each replay, under a name made of what is replayed and how: another file, another bookmark."""

    def __init__(self, folder: Path, files: Sequence[Path], **options: object) -> None:
        """`options` are those that decide what is published and where."""
        stats = [(path.resolve(), path.stat()) for path in files]
        self._of: dict[str, Any] = {
            "files": [[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in stats],
            **options,
        }
        digest = hashlib.blake2b(json.dumps(self._of, sort_keys=True).encode(), digest_size=16).hexdigest()
        self._path = folder / f"{digest}.json"
        # It stays when the bookmark goes: who waits for a file that is removed would hold another lock than who comes.
        self._lock = folder.with_name("replay-locks") / digest

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out of this replay. Raises FinsentryError where one runs it."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FinsentryError("The same replay is running already: wait for its end, or stop it.") from None
            yield

    def read(self) -> Place | None:
        """The place where this replay stopped; None where it never began, or came to its end."""
        try:
            content = json.loads(self._path.read_text())
            offsets = {int(partition): offset for partition, offset in content["offsets"].items()}
            return Place(content["lines"], datetime.fromisoformat(content["begun_at"]), offsets)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            _log.warning("the bookmark of this replay cannot be read", path=str(self._path), error=repr(error))
            return None

    def write(self, place: Place) -> None:
        """Remember the place, as a whole or not at all."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            **self._of,
            "lines": place.lines,
            "begun_at": place.begun_at.isoformat(),
            "saved_at": datetime.now(UTC).isoformat(),
            "offsets": dict(place.offsets),
        }
        unfinished = self._path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(content, indent=1) + "\n")
        unfinished.replace(self._path)

    def remove(self) -> None:
        """The replay came to its end, or is to begin anew."""
        self._path.unlink(missing_ok=True)
