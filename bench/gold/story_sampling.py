"""Which pairs of texts the gold set of stories is made of: `python -m bench.gold.story_sampling --data DIR`.

For documents drawn at random, all others within a day that share words with them are compared; pairs are drawn evenly
from the classes of likeness, so that the doubtful ones are as many as the plain ones. `weight` is how many pairs of its
class a pair stands for. Prints the pairs as JSON Lines for those who label.
"""

import random
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import click
import orjson

from bench.gold.sampling import COMMENTS, NEWS, SEED, Row, rows_of

#: Lower edges of the classes of likeness: shared words over all words (Jaccard 1912).
CLASSES = (0.15, 0.3, 0.45, 0.6, 0.8)
PAIRS_OF_A_CLASS = 40
DRAWN = 3_000
WITHIN = timedelta(days=1)
#: Words of more texts than this in the stream say nothing about likeness by themselves.
COMMON = 2_000

_ADDRESS = re.compile(r"https?://\S+")
_WORD = re.compile(r"[\w&.$]*\w")


class Pair(NamedTuple):
    """Two rows of one stream, the earlier first."""

    earlier: Row
    later: Row
    likeness: float


def words(text: str) -> frozenset[str]:
    """Lower case, without addresses."""
    return frozenset(_WORD.findall(_ADDRESS.sub("", text).lower()))


def pairs_of(data: Path, stream: str, draw: random.Random) -> list[Pair]:
    """The pairs that the drawn documents of a stream make, each two texts once."""
    rows = sorted(rows_of(data, stream), key=lambda row: (row.published_at, row.line))
    times = [datetime.fromisoformat(row.published_at) for row in rows]
    bags = [words(row.text) for row in rows]
    holders: defaultdict[str, list[int]] = defaultdict(list)
    for number, bag in enumerate(bags):
        for word in bag:
            holders[word].append(number)
    found: dict[frozenset[str], Pair] = {}
    for number in draw.sample(range(len(rows)), min(DRAWN, len(rows))):
        first = bisect_left(times, times[number] - WITHIN)
        last = bisect_right(times, times[number] + WITHIN)
        for other in _sharing(bags[number], holders, first, last) - {number}:
            likeness = len(bags[number] & bags[other]) / len(bags[number] | bags[other])
            texts = frozenset((rows[number].text, rows[other].text))
            if likeness >= CLASSES[0] and len(texts) == 2:
                earlier, later = sorted((number, other))
                found[texts] = Pair(rows[earlier], rows[later], likeness)
    return list(found.values())


def _sharing(bag: frozenset[str], holders: dict[str, list[int]], first: int, last: int) -> set[int]:
    return {
        number
        for word in bag
        if len(holders[word]) <= COMMON
        for number in holders[word][bisect_left(holders[word], first) : bisect_left(holders[word], last)]
    }


def sampled(data: Path, streams: Sequence[str], draw: random.Random) -> Iterator[tuple[Pair, float]]:
    """Pairs with their weights."""
    everything = [pair for stream in streams for pair in pairs_of(data, stream, draw)]
    for lowest, highest in zip(CLASSES, (*CLASSES[1:], 1.01), strict=True):
        of_class = [pair for pair in everything if lowest <= pair.likeness < highest]
        for pair in draw.sample(of_class, min(PAIRS_OF_A_CLASS, len(of_class))):
            yield pair, len(of_class) / min(PAIRS_OF_A_CLASS, len(of_class))


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), envvar="FINSENTRY_DATA", required=True)
def main(data: Path) -> None:
    """Print the pairs to label."""
    draw = random.Random(SEED)
    for kind, streams in (("news", NEWS), ("comment", COMMENTS)):
        pairs = list(sampled(data, streams, draw))
        draw.shuffle(pairs)
        for pair, weight in pairs:
            rows = [
                {"stream": row.stream, "line": row.line, "digest": row.digest, "at": row.published_at, "text": row.text}
                for row in pair[:2]
            ]
            click.echo(orjson.dumps({"kind": kind, "weight": round(weight, 2), "rows": rows}))


if __name__ == "__main__":
    main()
