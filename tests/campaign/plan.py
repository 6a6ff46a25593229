"""What is sent on which way, and what must come of it: written down before anything runs.

The expectations follow from the rows themselves, without the code that is tested.
"""

import gzip
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

Row = dict[str, Any]

REUTERS_MONTH = "streams/news_reuters_2008_09.jsonl.gz"
REUTERS_DAY = "2008-09-15"
STOCKNET = "streams/comments_stocknet_2014_2016.jsonl.gz"
BACKFILL_ROWS = 50_000
#: One StockNet id in so many comes by feed.
FEED_SHARE = 8
#: After every comment of StockNet.
RETRACTED_AT = "2017-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Expected:
    """Counts that `finsentry verify` must arrive at. Repeats only make duplicates, of which there may be more."""

    accepted: int
    documents: int
    revisions: int
    retractions: int
    dead_letter_kinds: int
    at_least_messages: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes which way. `posted` are the bodies of single documents."""

    posted: list[bytes]
    live: list[bytes]
    backfill: list[bytes]
    entries: list[Row]
    junk: list[bytes]
    expected: Expected


def plan(data: Path, seed: int, corrections: int, retractions: int, junk_lines: int) -> Plan:
    """The plan of a Reuters day and all of StockNet; the same for the same seed."""
    rng = random.Random(seed)
    news = [row for row in _rows(data / REUTERS_MONTH) if row["published_at"].startswith(REUTERS_DAY)]
    comments = list(_rows(data / STOCKNET))
    by_feed = {row["id"] for row in comments if crc32(row["id"].encode()) % FEED_SHARE == 0}
    entries = list({row["id"]: row for row in comments if row["id"] in by_feed}.values())
    others = [row for row in comments if row["id"] not in by_feed]
    corrected = [_corrected(row, rng) for row in rng.sample(news, corrections)]
    retracted = [_retracted(identity) for identity in rng.sample(sorted({row["id"] for row in others}), retractions)]
    junk = [b'{"source": "junk", "number": %d}' % number for number in range(junk_lines)]
    posted = [*map(orjson.dumps, news), *map(orjson.dumps, corrected), *map(orjson.dumps, retracted)]
    rng.shuffle(posted)
    live = [*map(orjson.dumps, others[BACKFILL_ROWS:]), *junk]
    rng.shuffle(live)
    backfill = [orjson.dumps(row) for row in others[:BACKFILL_ROWS]]
    revisions = len({_content(row) for row in others}) + len({_content(row) for row in news}) + len(entries)
    accepted = revisions + corrections + retractions
    expected = Expected(
        accepted=accepted,
        documents=len({row["id"] for row in comments}) + len({row["url"] for row in news}),
        revisions=accepted,
        retractions=retractions,
        dead_letter_kinds=junk_lines,
        at_least_messages=len(posted) + len(live) + len(backfill) + len(entries),
    )
    return Plan(posted, live, backfill, entries, junk, expected)


def _rows(path: Path) -> Iterator[Row]:
    with gzip.open(path) as lines:
        yield from map(orjson.loads, lines)


def _content(row: Row) -> tuple[str, ...]:
    """What makes a revision, of rows that have a title or a text and no more."""
    names: Iterable[str] = ("source", "id", "url", "kind", "title", "text", "author", "lang", "published_at")
    identity = {"url"} if "id" in row else set()
    return tuple(str(row.get(name)) for name in names if name not in identity)


def _corrected(row: Row, rng: random.Random) -> Row:
    time = datetime.fromisoformat(row["published_at"]) + timedelta(minutes=rng.randrange(1, 600))
    return {**row, "title": f"CORRECTED-{row['title']}", "updated_at": time.isoformat()}


def _retracted(identity: str) -> Row:
    return {"op": "retract", "source": "twitter", "id": identity, "updated_at": RETRACTED_AT}
