"""Which rows of the streams the gold set of linking is made of: `python -m bench.gold.sampling --data DIR`.

Half of them are drawn at random, as many of news as of comments; half are traps, drawn for each word that means an
instrument in one text and something else in another. Prints the rows as JSON Lines for people who label; the gold set
itself holds no text, only the stream's name, the line's number and a digest of the line.
"""

import gzip
import hashlib
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import orjson

SEED = 20080915
NEWS = ("news_reuters_2008_09", "news_reuters_2008_10", "news_reuters_2016_01", "news_reuters_2016_02")
COMMENTS = ("comments_stocknet_2014_2016",)
OF_EACH_KIND = 120

#: How many rows are drawn that hold the words, case ignored unless the pattern says otherwise.
TRAPS: Mapping[str, int] = {
    # companies whose names are words, people or places
    r"\bapples?\b": 5,
    r"\btargets?\b": 6,
    r"\bvisas?\b": 5,
    r"\bford\b": 5,
    r"\bgap\b": 4,
    r"\bshell\b": 3,
    r"\borange\b": 3,
    r"\bsprint\b": 4,
    r"\bchase\b": 3,
    r"\bdelta\b": 3,
    r"\bmorgan\b": 3,
    r"\bstanley\b": 2,
    r"\bunited\b": 4,
    r"\bcontinental\b": 2,
    r"\bamazon\b": 3,
    r"\boracle\b": 2,
    r"\bfox\b": 2,
    r"\bmarathon\b": 3,
    r"\bcaterpillar\b": 2,
    r"\bcoach\b": 3,
    r"\bwells\b": 2,
    r"\bprudential\b": 3,
    r"\bmerck\b": 2,
    r"\bnext\b": 2,
    r"\bdell\b": 2,
    r"\bhess\b": 2,
    r"\bkraft\b": 2,
    r"\bsouthern\b": 2,
    r"\bamerican\b": 4,
    r"\bgeneral\b": 4,
    r"\bnational\b": 3,
    r"\bfirst\b": 3,
    r"\bstate street\b": 1,
    r"\bharley\b": 1,
    r"\btime warner\b": 1,
    r"\bsantander\b": 2,
    r"\bpanera|costco|starbucks\b": 2,
    # names that changed hands, and companies that were not there yet
    r"\blehman\b": 3,
    r"\b(?:wamu|washington mutual|wachovia)\b": 3,
    r"\b(?:fannie|freddie)\b": 2,
    r"\bmerrill\b": 3,
    r"\bfacebook\b": 3,
    r"\btwitter\b": 3,
    r"\b(?:alphabet|google)\b": 4,
    r"\btesla\b": 2,
    r"\byahoo\b": 2,
    r"\bciti(?:group|bank|c)?\b": 3,
    # indices, exchanges and agencies of one name
    r"\bdow\b": 4,
    r"\bnasdaq\b": 3,
    r"\bS&P\b": 4,
    r"\bmoody'?s\b": 2,
    r"\b(?:nikkei|ftse|dax|hang seng|sensex|nifty)\b": 4,
    r"\b(?:fed|ecb|boe|boj|sec|fsa)\b": 6,
    # money and goods
    r"\bgold\b": 4,
    r"\bsilver\b": 2,
    r"\boil\b": 4,
    r"\bcopper\b": 2,
    r"\b(?:corn|wheat|sugar|coffee|cocoa|cotton)\b": 4,
    r"\bgas\b": 2,
    r"\bsterling\b": 2,
    r"\bpounds?\b": 2,
    r"\beuros?\b": 4,
    r"\bdollars?\b": 3,
    r"\bwon\b": 3,
    r"\breal\b": 3,
    r"\brand\b": 2,
    r"\byen\b": 2,
    r"\bbitcoin\b": 2,
    # countries
    r"\b(?:turkey|georgia|jordan|chad)\b": 4,
    r"\b(?:china|japan|germany|russia|u\.s\.)": 6,
    # the ways of comments
    r"(?-i:\$[A-Z]\b(?![.\-]))": 14,
    r"(?-i:\$(?:IT|GO|ALL|KEY|NOW|LOW|CAT|EAT|ARE|HAS|CAN|BIG)\b)": 4,
    r"(?:^|\s)#(?:aapl|goog|fb|tsla|amzn|msft|bac|jpm|apple|facebook)\b": 4,
    r"(?:^|\s)@(?:apple|google|facebook|amazon|walmart|boeing|disney|intel)\b": 3,
    r"\b(?:bofa|big blue|mickey d|buffett|berkshire)\b": 3,
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a stream. `line` counts from 1; `digest` is of the line's bytes."""

    stream: str
    line: int
    digest: str
    published_at: str
    text: str


def rows_of(data: Path, stream: str) -> Iterator[Row]:
    """All rows of a stream, in its order."""
    with gzip.open(data / "streams" / f"{stream}.jsonl.gz") as lines:
        for number, line in enumerate(lines, start=1):
            content = orjson.loads(line)
            digest = hashlib.sha256(line).hexdigest()[:16]
            yield Row(stream, number, digest, content["published_at"], content.get("title") or content["text"])


def sampled(data: Path) -> Iterator[tuple[str, Row]]:
    """The rows with their half, `random` or `trap`, in an order that tells nothing. No text occurs twice."""
    draw = random.Random(SEED)
    kinds = [list(_distinct(data, streams)) for streams in (NEWS, COMMENTS)]
    chosen = [("random", row) for rows in kinds for row in draw.sample(rows, OF_EACH_KIND)]
    taken = {row.text for _, row in chosen}
    everything = [row for rows in kinds for row in rows]
    for pattern, count in TRAPS.items():
        word = re.compile(pattern, re.IGNORECASE)
        fitting = [row for row in everything if row.text not in taken and word.search(row.text)]
        for row in draw.sample(fitting, min(count, len(fitting))):
            taken.add(row.text)
            chosen.append(("trap", row))
    draw.shuffle(chosen)
    yield from chosen


def _distinct(data: Path, streams: tuple[str, ...]) -> Iterator[Row]:
    seen: set[str] = set()
    for stream in streams:
        for row in rows_of(data, stream):
            if row.text not in seen:
                seen.add(row.text)
                yield row


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), envvar="FINSENTRY_DATA", required=True)
def main(data: Path) -> None:
    """Print the rows to label."""
    for half, row in sampled(data):
        reference = {"stream": row.stream, "line": row.line, "digest": row.digest, "half": half}
        click.echo(orjson.dumps({**reference, "published_at": row.published_at, "text": row.text}))


if __name__ == "__main__":
    main()
