"""How well and how fast linking works: `python -m bench.linking --data DIR`.

Against the gold set (see gold/README.md), with the entities of the models that are served. Counted is which instruments
a text names, each once: a window counts documents. The speed is of the linker alone, without a model, on one core.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path

import click
import orjson

from bench.__main__ import machine
from bench.gold.sampling import COMMENTS, NEWS, Row, rows_of
from stream_worker.directory import built_in_directory
from stream_worker.directory.listings import common_words, instruments_of, read_listings
from stream_worker.domain.instruments import Directory, DirectoryBuilder, Instrument
from stream_worker.domain.linking import Linker, bare
from stream_worker.domain.mentions import Entity, Mention
from stream_worker.domain.text import clean
from stream_worker.inference.opening import open_onnx_analyzer
from stream_worker.logs import configure_logging
from stream_worker.settings import Settings

_GOAL = (0.95, 0.85)
_GOAL_PER_SECOND = 20_000.0
_SPEED_TEXTS = 40_000


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text of the gold set and the keys of what it names."""

    row: Row
    half: str
    keys: frozenset[str]

    @property
    def day(self) -> date:
        """Of the text."""
        return datetime.fromisoformat(self.row.published_at).date()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What linking made of one text, as sets of ids; `missed` also has keys that the directory does not know."""

    labelled: Labelled
    right: frozenset[str]
    wrong: frozenset[str]
    missed: frozenset[str]


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), envvar="FINSENTRY_DATA", required=True)
@click.option("--held", is_flag=True, help="Score the third that is held apart. Do not tune on what it says.")
@click.option("--show", is_flag=True, help="Print each text with what was wrong or missed; not of the held third.")
def main(data: Path, held: bool, show: bool) -> None:
    """Measure linking. Exits 1 where precision or recall fall short."""
    if show and held:
        raise click.UsageError("The held third is not to be looked at.")
    configure_logging(Settings(log_level="warning"))
    settings = Settings()
    directory = full_directory(data, settings)
    linker = Linker(directory)
    labelled = list(_labelled(data, held))
    outcomes = asyncio.run(_outcomes(settings, linker, labelled))
    for outcome in outcomes if show else ():
        if outcome.wrong or outcome.missed:
            print(f"{outcome.labelled.day} {outcome.labelled.row.text!r}")
            print(f"    wrong {sorted(outcome.wrong)}  missed {sorted(outcome.missed)}")
    print(f"{len(directory.instruments)} instruments, version {directory.version}; {machine()}")
    reached = _report("held third" if held else "two thirds to work with", outcomes)
    for half in ("random", "trap"):
        _report(f"  {half} half", [outcome for outcome in outcomes if outcome.labelled.half == half])
    per_second = _speed(data, linker)
    print(f"{per_second:,.0f} headlines a second on one core, without a model")
    if not reached or per_second < _GOAL_PER_SECOND:
        sys.exit(1)


def full_directory(data: Path, settings: Settings) -> Directory:
    """The built-in directory and the listings."""
    known = built_in_directory()
    listed = data / "instruments"
    listings = [
        listing
        for name in ("nasdaq-listed-symbols.csv", "nyse_other-listed.csv", "sec_company_tickers_2023.csv")
        for listing in read_listings(listed / name)
    ]
    builder = DirectoryBuilder()
    for instrument in known.instruments.values():
        builder.add(instrument)
    for _, instrument in instruments_of(listings, known, common_words(settings.model_repository)):
        builder.add(instrument)
    return builder.directory()


def _labelled(data: Path, held: bool) -> Iterator[Labelled]:
    wanted = {}
    for line in (files("bench.gold") / "linking.jsonl").read_text().splitlines():
        label = orjson.loads(line)
        if label["held"] is held:
            wanted[label["stream"], label["line"]] = label
    for stream in (*NEWS, *COMMENTS):
        for row in rows_of(data, stream):
            label = wanted.get((stream, row.line))
            if label is not None:
                if label["digest"] != row.digest:
                    raise SystemExit(f"{stream}, line {row.line} is not the line that was labelled.")
                yield Labelled(row, label["half"], frozenset(key for _, _, key in label["mentions"]))


async def _outcomes(settings: Settings, linker: Linker, labelled: Sequence[Labelled]) -> list[Outcome]:
    texts = [clean(one.row.text).text for one in labelled]
    async with open_onnx_analyzer(settings) as analyzer:
        analyses = await analyzer.analyze(texts)
    return [
        _outcome(linker.directory, one, linker.link(text, analysis.entities, one.day))
        for one, text, analysis in zip(labelled, texts, analyses, strict=True)
    ]


def _outcome(directory: Directory, labelled: Labelled, mentions: Sequence[Mention]) -> Outcome:
    found = {mention.instrument_id for mention in mentions if mention.instrument_id is not None}
    named = {_resolved(directory, key, labelled.day) for key in labelled.keys}
    return Outcome(labelled, frozenset(found & named), frozenset(found - named), frozenset(named - found))


def _resolved(directory: Directory, key: str, day: date) -> str:
    """The id of what a label means, where the directory has it; else the label."""
    if key in directory.instruments:
        return key
    if key.startswith("$"):
        instrument = directory.with_ticker(key[1:], day)
        return key if instrument is None else instrument.id
    name = key.removeprefix("?").partition(":")[2] if ":" in key else key.removeprefix("?")
    called = [i.id for i in directory.find(name) if day in i.valid and name.lower() in _names(i)]
    return called[0] if called else key


def _names(instrument: Instrument) -> set[str]:
    names = {instrument.name.lower(), *(alias.text.lower() for alias in instrument.aliases)}
    return names | {bare(name) for name in names}


def _report(name: str, outcomes: Sequence[Outcome]) -> bool:
    count = Counter[str]()
    for outcome in outcomes:
        count.update(right=len(outcome.right), wrong=len(outcome.wrong), missed=len(outcome.missed))
    precision = count["right"] / max(count["right"] + count["wrong"], 1)
    recall = count["right"] / max(count["right"] + count["missed"], 1)
    reached = precision >= _GOAL[0] and recall >= _GOAL[1]
    print(
        f"{name:<24} {len(outcomes):>4} texts  {count['right'] + count['missed']:>5} named  precision {precision:.3f}"
        f"  recall {recall:.3f}  {'reached' if reached else 'MISSED'}: ≥ {_GOAL[0]}, ≥ {_GOAL[1]}"
    )
    return reached


def _speed(data: Path, linker: Linker) -> float:
    rows = [row for row, _ in zip(rows_of(data, NEWS[0]), range(_SPEED_TEXTS), strict=False)]
    texts = [(clean(row.text).text, datetime.fromisoformat(row.published_at).astimezone(UTC).date()) for row in rows]
    nothing: list[Entity] = []
    began = time.process_time()
    for text, day in texts:
        linker.link(text, nothing, day)
    return len(texts) / (time.process_time() - began)


if __name__ == "__main__":
    main()
