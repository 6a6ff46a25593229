"""Lines of files as they are: bytes in, the same bytes out, whatever is in them."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO

from stream_worker.errors import ConfigurationError, FinsentryError

_GZIP_MAGIC = b"\x1f\x8b"
_SKIP_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its line feed; `value` is None where it has more than the longest allowed bytes."""

    path: Path
    number: int
    value: bytes | None
    length: int

    @property
    def origin(self) -> str:
        """Where it stands, for people."""
        return f"{self.path}:{self.number}"


class LinesOfFiles:
    """The lines of files one after the other, gzip-compressed ones too, never more than one line in memory.

    A line ends with a line feed or with the file: a file that ends with a line feed has no empty line behind it.
    """

    def __init__(self, paths: Sequence[Path], longest: int) -> None:
        self._paths = paths
        self._longest = longest
        self._finished_bytes = 0
        self._file: BinaryIO | None = None
        self.total_bytes = sum(_size(path) for path in paths)

    @property
    def read_bytes(self) -> int:
        """How far the files were read, as they are on disk."""
        return self._finished_bytes + (self._file.tell() if self._file is not None else 0)

    def __iter__(self) -> Iterator[Line]:
        """Raises FinsentryError where a file cannot be read to its end."""
        for path in self._paths:
            try:
                with path.open("rb") as file:
                    self._file = file
                    compressed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
                    file.seek(0)
                    yield from self._lines(path, gzip.GzipFile(fileobj=file) if compressed else file)
                    self._file = None
                self._finished_bytes += _size(path)
            except (OSError, EOFError, zlib.error) as error:
                raise FinsentryError(f"Cannot read {path} to its end: {error}.") from error

    def _lines(self, path: Path, content: BufferedIOBase) -> Iterator[Line]:
        number = 0
        while line := content.readline(self._longest + 1):
            number += 1
            if line.endswith(b"\n"):
                yield Line(path, number, line[:-1], len(line) - 1)
            elif len(line) <= self._longest:
                yield Line(path, number, line, len(line))
            else:
                yield Line(path, number, None, len(line) + _skip_rest(content))


def _skip_rest(content: BufferedIOBase) -> int:
    """Bytes of the rest of the line, its line feed excepted."""
    skipped = 0
    while chunk := content.readline(_SKIP_BYTES):
        if chunk.endswith(b"\n"):
            return skipped + len(chunk) - 1
        skipped += len(chunk)
    return skipped


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise ConfigurationError(f"Cannot read {path}: {error.strerror}.") from None
