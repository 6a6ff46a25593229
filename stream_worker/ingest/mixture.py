"""A stream of good documents mixed with repeats, corrections and junk, and what must become of every line.

The counts follow from how the mixture is made, not from decoding it: they are what an honest pipeline must arrive at.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from stream_worker.errors import ConfigurationError
from stream_worker.ingest.junk import KINDS, encode, junk

#: Half of the repeats and corrections follow their original so closely that both may come in one batch.
_CLOSE_LINES = 100


@dataclass(frozen=True, slots=True)
class Counts:
    """What must become of the lines: receipts by outcome, documents and their revisions."""

    lines: int
    accepted: int
    duplicate: int
    dead_letter: int
    dead_letter_kinds: dict[str, int]
    documents: int
    revisions: int


def mix(
    originals: Sequence[bytes], seed: int, *, repeats: int = 5_000, junk_lines: int = 1_000, corrections: int = 500
) -> tuple[list[bytes], Counts]:
    """The lines of the mixture in their order, and their counts; the same for the same seed.

    A repeat is an exact copy, a correction has the identity of its original, a later `updated_at` and another title;
    both come after their original. Raises ConfigurationError where the originals are not distinct titled documents.
    """
    documents = [_titled(line) for line in originals]
    _require_distinct(documents)
    rng = random.Random(seed)
    placed: list[tuple[float, bytes]] = [(float(place), line) for place, line in enumerate(originals)]
    for _ in range(repeats):
        place = rng.randrange(len(originals))
        placed.append((_after(place, len(originals), rng), originals[place]))
    placed += [
        (_after(place, len(originals), rng), _corrected(documents[place], rng))
        for place in rng.sample(range(len(originals)), corrections)
    ]
    kinds = dict.fromkeys(KINDS, 0)
    for number in range(junk_lines):
        kind = list(KINDS)[number % len(KINDS)]
        kinds[kind] += 1
        placed.append((rng.uniform(0, len(originals)), junk(kind, rng.choice(documents), rng)))
    placed.sort(key=lambda entry: entry[0])
    counts = Counts(
        lines=len(placed),
        accepted=len(originals) + corrections,
        duplicate=repeats,
        dead_letter=junk_lines,
        dead_letter_kinds=kinds,
        documents=len(originals),
        revisions=len(originals) + corrections,
    )
    return [line for _, line in placed], counts


def _after(place: int, end: int, rng: random.Random) -> float:
    """Somewhere behind a place, strictly between two originals."""
    last = min(place + _CLOSE_LINES, end) if rng.random() < 0.5 else end
    return rng.randrange(place, max(last, place + 1)) + rng.uniform(0.01, 0.99)


def _corrected(document: dict[str, Any], rng: random.Random) -> bytes:
    updated_at = datetime.fromisoformat(document["published_at"]) + timedelta(minutes=rng.randrange(1, 600))
    title = f"CORRECTED-{document['title']}"
    return encode({**document, "title": title, "updated_at": updated_at.isoformat().replace("+00:00", "Z")})


def _titled(line: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"A line of the stream is not JSON ({error}): {line[:100]!r}.") from None
    if not isinstance(document, dict) or not isinstance(document.get("title"), str):
        raise ConfigurationError(f"A line of the stream is no document with a title: {line[:100]!r}.")
    return document


def _require_distinct(documents: Sequence[dict[str, Any]]) -> None:
    seen: set[tuple[object, object]] = set()
    for document in documents:
        name = document.get("id") or document.get("url")
        identity = (document["source"], name)
        if name is None or identity in seen:
            raise ConfigurationError(f"A document of the stream has no identity of its own: {document}.")
        seen.add(identity)
