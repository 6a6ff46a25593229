"""Reading lines as they are, and when they are due."""

import gzip
from pathlib import Path

import pytest

from stream_worker.errors import ConfigurationError, FinsentryError
from stream_worker.ingest.lines import LinesOfFiles
from stream_worker.ingest.replay import due_lines, key_of

STRANGE = b'\xff\xfe broken\r\n\n{"title": "a\\u0000b"}\n \x00\n'


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _values(*paths: Path, longest: int = 100) -> list[bytes | None]:
    return [line.value for line in LinesOfFiles(paths, longest)]


def test_lines_are_the_files_bytes_without_line_feeds(tmp_path: Path) -> None:
    assert _values(_write(tmp_path / "a", STRANGE)) == [b"\xff\xfe broken\r", b"", b'{"title": "a\\u0000b"}', b" \x00"]


def test_compressed_lines_are_the_same_lines_whatever_the_file_is_called(tmp_path: Path) -> None:
    plain = _write(tmp_path / "plain.gz", STRANGE)
    compressed = _write(tmp_path / "compressed", gzip.compress(STRANGE))
    assert _values(plain) == _values(compressed) != []


@pytest.mark.parametrize(
    ("content", "lines"),
    [(b"", []), (b"a", [b"a"]), (b"a\n", [b"a"]), (b"a\n\n", [b"a", b""]), (b"\na", [b"", b"a"])],
)
def test_only_the_empty_end_behind_the_last_line_feed_is_no_line(
    tmp_path: Path, content: bytes, lines: list[bytes]
) -> None:
    assert _values(_write(tmp_path / "a", content)) == lines


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_that_is_too_long_is_counted_and_not_read_into_memory(tmp_path: Path, end: bytes) -> None:
    path = _write(tmp_path / "a", b"x" * 5 + b"\n" + b"y" * 3_000_000 + b"\n" + b"z" * 6 + end)
    lines = list(LinesOfFiles([path], longest=5))
    assert [(line.value, line.length, line.number) for line in lines] == [
        (b"xxxxx", 5, 1),
        (None, 3_000_000, 2),
        (None, 6, 3),
    ]


def test_files_come_one_after_the_other_and_progress_ends_at_their_sizes(tmp_path: Path) -> None:
    lines = LinesOfFiles([_write(tmp_path / "a", b"1\n2\n"), _write(tmp_path / "b", gzip.compress(b"3\n"))], 10)
    assert [(line.path.name, line.number, line.value) for line in lines] == [
        ("a", 1, b"1"),
        ("a", 2, b"2"),
        ("b", 1, b"3"),
    ]
    assert lines.read_bytes == lines.total_bytes > 0


def test_a_truncated_archive_says_so_after_the_lines_that_it_has(tmp_path: Path) -> None:
    content = b"".join(b"%d\n" % number for number in range(100_000))
    path = _write(tmp_path / "cut.gz", gzip.compress(content)[:-2_000])
    read = []
    with pytest.raises(FinsentryError, match=r"Cannot read .*cut\.gz to its end"):
        read += list(LinesOfFiles([path], 10))
    first = next(iter(LinesOfFiles([path], 10)))
    assert first.value == b"0"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="missing"):
        LinesOfFiles([tmp_path / "missing"], 10)


def test_lines_are_due_at_the_rate_or_at_once(tmp_path: Path) -> None:
    path = _write(tmp_path / "a", b"1\n2\n3\n")
    assert [due.after_seconds for due in due_lines(LinesOfFiles([path], 10), 2.0)] == [0.0, 0.5, 1.0]
    assert [due.after_seconds for due in due_lines(LinesOfFiles([path], 10), None)] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("message", "key"),
    [
        (b'{"id": "7", "url": "https://example.com/7"}', b"7"),
        (b'{"url": "https://example.com/7"}', b"https://example.com/7"),
        (b'{"id": "", "url": "u"}', b"u"),
        (b'{"id": 7}', None),
        (b'{"title": "a"}', None),
        (b"[1]", None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_the_key_is_the_documents_id_else_its_url(message: bytes, key: bytes | None) -> None:
    assert key_of(message) == key
