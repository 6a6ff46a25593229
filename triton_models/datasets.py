"""Reading the data sets: JSON Lines in, typed rows out; whatever is wrong is refused with its file and line.

Rows keep their raw text; `stream_worker.domain.text.clean` makes of it what the models read, here as in the service.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from stream_worker.domain.mentions import Span
from stream_worker.domain.sentiment import LABELS
from stream_worker.errors import ConfigurationError

#: BIO tags in the order of the entity model's output.
TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")

Row = TypeVar("Row")


class DataError(ConfigurationError):
    """A data file is missing, empty, or holds a row that does not fit; the message names the file and line."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text with one sentiment for all of it. `agreement`: % of annotators who agreed, where known."""

    source: str
    text: str
    label: str
    group: str
    agreement: int | None


@dataclass(frozen=True, slots=True)
class Target:
    """A span of the raw text and the sentiment about it."""

    span: Span
    label: str


@dataclass(frozen=True, slots=True)
class TargetedText:
    """A text with a sentiment for each thing it is about; targets whose words the text lacks are left out."""

    source: str
    text: str
    targets: tuple[Target, ...]
    group: str


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """A text cut into tokens (raw spans of `text`), one BIO tag a token."""

    source: str
    text: str
    tokens: tuple[Span, ...]
    tags: tuple[str, ...]


def read_documents(path: Path) -> list[Document]:
    """Rows of sentiment/*.jsonl. Raises DataError."""
    return _not_empty(path, [_document(row) for row in _rows(path)])


def read_targeted_texts(path: Path) -> list[TargetedText]:
    """Rows of targets/*.jsonl. Raises DataError."""
    return _not_empty(path, [_targeted_text(row) for row in _rows(path)])


def read_tagged_sentences(path: Path) -> list[TaggedSentence]:
    """Rows of entities/*.jsonl. Raises DataError."""
    return _not_empty(path, [_tagged_sentence(row) for row in _rows(path)])


@dataclass(frozen=True, slots=True)
class _Row:
    path: Path
    line: int
    fields: Mapping[str, Any]

    def refuse(self, problem: str) -> DataError:
        return DataError(f"{self.path}, line {self.line}: {problem}.")

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        if not isinstance(value, str) or not value:
            raise self.refuse(f"{name!r} must be a text that is not empty, found {value!r}")
        return value

    def items(self, name: str) -> list[Any]:
        value = self.fields.get(name)
        if not isinstance(value, list) or not value:
            raise self.refuse(f"{name!r} must be a list that is not empty, found {value!r}")
        return value

    def label(self, value: object) -> str:
        if value not in LABELS:
            raise self.refuse(f"label {value!r} is none of {', '.join(LABELS)}")
        return str(value)


def _rows(path: Path) -> Iterator[_Row]:
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                yield _Row(path, number, _fields(path, number, line))
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: {error.reason} at byte {error.start}.") from None


def _fields(path: Path, number: int, line: str) -> Mapping[str, Any]:
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise DataError(f"{path}, line {number}: not JSON: {error}.") from None
    if not isinstance(fields, dict):
        raise DataError(f"{path}, line {number}: expected an object, found {line.strip()[:60]}.")
    return fields


def _not_empty(path: Path, rows: list[Row]) -> list[Row]:
    if not rows:
        raise DataError(f"{path} holds no rows.")
    return rows


def _document(row: _Row) -> Document:
    agreement = row.fields.get("agreement")
    if agreement is not None and not isinstance(agreement, int):
        raise row.refuse(f"'agreement' must be a whole number, found {agreement!r}")
    label = row.label(row.fields.get("label"))
    return Document(row.text("source"), row.text("text"), label, row.text("group"), agreement)


def _targeted_text(row: _Row) -> TargetedText:
    text = row.text("text")
    targets = [_target(row, text, fields) for fields in row.items("targets")]
    found = tuple(target for target in targets if target is not None)
    return TargetedText(row.text("source"), text, found, row.text("group"))


def _target(row: _Row, text: str, fields: object) -> Target | None:
    if not isinstance(fields, dict):
        raise row.refuse(f"a target must be an object, found {fields!r}")
    label, start, end = row.label(fields.get("label")), fields.get("start"), fields.get("end")
    if start is None and end is None:
        return None
    if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end <= len(text):
        raise row.refuse(f"target span {start!r} to {end!r} does not lie in a text of {len(text)} characters")
    return Target(Span(start, end), label)


def _tagged_sentence(row: _Row) -> TaggedSentence:
    text, tokens, tags = row.text("text"), row.items("tokens"), row.items("tags")
    if len(tokens) != len(tags):
        raise row.refuse(f"{len(tokens)} tokens but {len(tags)} tags")
    for tag in tags:
        if tag not in TAGS:
            raise row.refuse(f"tag {tag!r} is none of {', '.join(TAGS)}")
    return TaggedSentence(row.text("source"), text, _locate(row, text, tokens), tuple(tags))


def _locate(row: _Row, text: str, tokens: list[Any]) -> tuple[Span, ...]:
    spans, position = [], 0
    for token in tokens:
        start = text.find(token, position) if isinstance(token, str) and token else -1
        if start < 0:
            raise row.refuse(f"token {token!r} is not in the text after character {position}")
        position = start + len(token)
        spans.append(Span(start, position))
    return tuple(spans)
