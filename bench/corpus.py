"""The documents that the bench scores: distinct English texts at their real lengths."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stream_worker.assembly import LANGUAGES
from stream_worker.domain.documents import Document, decode
from stream_worker.domain.language import LanguageIdentifier
from stream_worker.domain.text import clean
from stream_worker.errors import InvalidDocument
from stream_worker.ingest.companies import known_companies
from stream_worker.ingest.generator import generate
from stream_worker.ingest.lines import LinesOfFiles
from stream_worker.ingest.topics import MAX_MESSAGE_BYTES

_STREAMS = ("news_reuters_2008_09.jsonl.gz", "news_reuters_2008_10.jsonl.gz")
_SEED = 20080915


@dataclass(frozen=True, slots=True)
class Corpus:
    """`lines` are messages, `texts` the clean texts of the same documents; `origin` says where they come from."""

    origin: str
    lines: list[bytes]
    texts: list[str]


def distinct_documents(data: Path | None, count: int) -> Corpus:
    """`count` documents whose texts all differ and are all scored, drawn at random from September 2008's titles.

    Without `data` they are generated. So every leg of the bench has the same forward passes to make.
    """
    origin, lines = _source(data, _STREAMS[:1])
    everything = list(lines) if data else [line for line, _ in zip(lines, range(count * 4), strict=False)]
    random.Random(_SEED).shuffle(everything)
    chosen = dict(_scorable(everything, count))
    if len(chosen) < count:
        raise SystemExit(f"{origin} has only {len(chosen)} distinct texts, {count} are needed.")
    return Corpus(origin, list(chosen.values()), list(chosen))


def long_stream(data: Path | None, count: int) -> Iterator[bytes]:
    """`count` documents as they come, repeats of texts and other languages among them."""
    _, lines = _source(data, _STREAMS)
    for line, _ in zip(lines, range(count), strict=False):
        yield line


def _source(data: Path | None, names: tuple[str, ...]) -> tuple[str, Iterable[bytes]]:
    if data is None:
        return "generated headlines", _generated()
    paths = [data / "streams" / name for name in names]
    lines = (line.value for line in LinesOfFiles(paths, MAX_MESSAGE_BYTES) if line.value is not None)
    return "Reuters titles of 2008-09", lines


def _generated() -> Iterator[bytes]:
    companies = known_companies()
    for due in generate(_SEED, datetime(2026, 1, 1, tzinfo=UTC), 8.0, companies):
        if due.value is not None:
            yield due.value


def _scorable(lines: Iterable[bytes], count: int) -> Iterator[tuple[str, bytes]]:
    languages = LanguageIdentifier(LANGUAGES)
    now = datetime.now(UTC)
    seen: set[str] = set()
    for line in lines:
        if len(seen) == count:
            return
        try:
            document = decode(line, now)
        except InvalidDocument:
            continue
        if not isinstance(document, Document):
            continue
        text = clean(document.raw_text).text
        if text not in seen and languages.identify(text, document.language).abstention is None:
            seen.add(text)
            yield text, line
