"""How articles are read, on articles made of short labelled texts: `python -m triton_models.articles --data DIR`.

Long labelled texts are hard to come by. So texts of the test splits are put one behind the other, the first as a title,
the others as its body, and read in three ways: `alone`, each text by itself, as it was labelled; `article`, as the
service reads articles; `one_input`, as much as fits the models' input at once. Real articles are about one thing, these
are about many: they measure what other sentences spoil, not what they help to understand.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from stream_worker.domain.mentions import Span
from stream_worker.domain.passages import article_of
from stream_worker.domain.text import CleanText, clean
from stream_worker.errors import FinsentryError
from stream_worker.inference.analyzer import Analyzer
from stream_worker.inference.opening import open_onnx_analyzer
from stream_worker.inference.reading import Reader, Reading
from stream_worker.settings import load_settings
from triton_models.datasets import (
    Document,
    TaggedSentence,
    TargetedText,
    read_documents,
    read_tagged_sentences,
    read_targeted_texts,
)
from triton_models.evaluate import gold_entities
from triton_models.metrics import accuracy, strict_f1
from triton_models.options import data_option, repository_option

Row = TypeVar("Row")
Figures = dict[str, dict[str, float]]

WAYS = ("alone", "article", "one_input")
_SEED = 13
_TEXTS = 8
_TEXTS_OF_ONE_LABEL = 4
_SENTENCES = ("financial_phrasebank", "twitter_financial_news")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of a raw text, and the places in it where the short texts begin that it is made of."""

    said: Reading
    cleaned: CleanText
    starts: tuple[int, ...]


async def article_figures(repository: Path, data: Path, articles: int) -> Figures:
    """Accuracy of targets, and of the label that all texts of an article share, F1 of entities; of each way to read.

    Raises DataError and ContractError.
    """
    chance = random.Random(_SEED)
    targeted = [row for row in read_targeted_texts(data / "targets" / "test.jsonl") if row.source == "sentfin"]
    labelled = [row for row in read_documents(data / "sentiment" / "test.jsonl") if row.source in _SENTENCES]
    chance.shuffle(targeted)
    chance.shuffle(labelled)
    sentences = _groups(read_tagged_sentences(data / "entities" / "test.jsonl"), _TEXTS)
    async with open_onnx_analyzer(load_settings(model_repository=repository)) as analyzer:
        return {
            "targets, accuracy": await _targets(analyzer, _groups(targeted, _TEXTS)[:articles]),
            "documents, accuracy": await _documents(analyzer, _of_one_label(labelled)[:articles]),
            "entities, strict F1": await _entities(analyzer, sentences[:articles]),
        }


async def _targets(analyzer: Analyzer, groups: Sequence[Sequence[TargetedText]]) -> dict[str, float]:
    figures = {}
    for way in WAYS:
        answers = await _read(analyzer, [[row.text for row in group] for group in groups], way)
        rows = iter([row for group in groups for row in group])
        expected, found = [], []
        for answer in answers:
            for start, row in zip(answer.starts, rows, strict=False):
                for target in row.targets:
                    sentiment = answer.said.sentiment_of([answer.cleaned.to_clean(_moved(target.span, start))])
                    expected.append(target.label)
                    found.append(sentiment.label if sentiment else "none")
        figures[way] = accuracy(expected, found)
    return figures


async def _documents(analyzer: Analyzer, groups: Sequence[Sequence[Document]]) -> dict[str, float]:
    figures = {}
    for way in WAYS:
        answers = await _read(analyzer, [[row.text for row in group] for group in groups], way)
        labels = [group[0].label for group in groups for _ in (group if way == "alone" else [group])]
        figures[way] = accuracy(labels, [answer.said.document.label for answer in answers])
    return figures


async def _entities(analyzer: Analyzer, groups: Sequence[Sequence[TaggedSentence]]) -> dict[str, float]:
    figures = {}
    for way in WAYS:
        answers = await _read(analyzer, [[row.text for row in group] for group in groups], way)
        rows = iter([row for group in groups for row in group])
        expected = [
            {
                (_moved(span, start), kind)
                for start, row in zip(answer.starts, rows, strict=False)
                for span, kind in gold_entities(row)
            }
            for answer in answers
        ]
        found = [
            {(answer.cleaned.to_raw(entity.span), str(entity.type)) for entity in answer.said.entities}
            for answer in answers
        ]
        figures[way] = strict_f1(expected, found)
    return figures


async def _read(analyzer: Analyzer, groups: Sequence[Sequence[str]], way: str) -> list[Answer]:
    """One answer for each text, or for each article made of texts, in their order."""
    if way == "alone":
        groups = [[text] for group in groups for text in group]
    made = [_article(group) for group in groups]
    cleaned = [clean(raw) for raw, _ in made]
    said: list[Reading] = []
    if way == "one_input":
        said += await analyzer.analyze([text.text for text in cleaned])
    else:
        articles = [
            article_of(raw, text, starts[1] if len(starts) > 1 else None, "en")
            for (raw, starts), text in zip(made, cleaned, strict=True)
        ]
        said += await Reader(analyzer).read(articles)
    return [Answer(one, text, starts) for one, text, (_, starts) in zip(said, cleaned, made, strict=True)]


def _article(texts: Sequence[str]) -> tuple[str, tuple[int, ...]]:
    """The raw text, a title and a body of sentences, and where each text begins in it."""
    raw, starts = texts[0], [0]
    for number, text in enumerate(texts[1:]):
        raw += "\n" if number == 0 else " " if raw[-1] in ".!?" else ". "
        starts.append(len(raw))
        raw += text
    return raw, tuple(starts)


def _groups(rows: Sequence[Row], size: int) -> list[Sequence[Row]]:
    return [rows[first : first + size] for first in range(0, len(rows) - size + 1, size)]


def _of_one_label(rows: Sequence[Document]) -> list[Sequence[Document]]:
    by_label: dict[tuple[str, str], list[Document]] = {}
    for row in rows:
        by_label.setdefault((row.source, row.label), []).append(row)
    return [group for of_label in by_label.values() for group in _groups(of_label, _TEXTS_OF_ONE_LABEL)]


def _moved(span: Span, by: int) -> Span:
    return Span(span.start + by, span.end + by)


@click.command()
@data_option
@repository_option
@click.option("--articles", default=200, show_default=True, help="How many of each kind.")
def main(data: Path, repository: Path, articles: int) -> None:
    """Measure how articles are read."""
    try:
        figures = asyncio.run(article_figures(repository, data, articles))
    except FinsentryError as error:
        raise click.ClickException(str(error)) from None
    print(f"{'':<20}" + "".join(f"{way:>12}" for way in WAYS))
    for name, by_way in figures.items():
        print(f"{name:<20}" + "".join(f"{by_way[way]:>12.4f}" for way in WAYS))


if __name__ == "__main__":
    main()
