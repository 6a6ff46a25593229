"""Score the test splits with the code that serves: `python -m triton_models.evaluate --data DIR`.

Texts are cleaned, tokenized, batched and decoded by `stream_worker`, from the same files that Triton serves.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from stream_worker.domain.mentions import Span
from stream_worker.domain.passages import Article
from stream_worker.domain.sentiment import LABELS, Sentiment
from stream_worker.domain.text import CleanText, clean
from stream_worker.errors import FinsentryError
from stream_worker.inference.opening import open_onnx_analyzer
from stream_worker.inference.reading import Reader, Reading
from stream_worker.settings import load_settings
from triton_models.alignment import to_clean
from triton_models.datasets import (
    Document,
    TaggedSentence,
    TargetedText,
    read_documents,
    read_tagged_sentences,
    read_targeted_texts,
)
from triton_models.metrics import accuracy, bio_spans, calibration_error, macro_f1, strict_f1
from triton_models.options import data_option, repository_option
from triton_models.serving import record_figures

Figures = dict[str, Any]

_AT_ONCE = 256


async def evaluate(repository: Path, data: Path) -> dict[str, Figures]:
    """Figures of each model of a repository on the test splits. Raises DataError and ContractError."""
    documents = read_documents(data / "sentiment" / "test.jsonl")
    targeted = read_targeted_texts(data / "targets" / "test.jsonl")
    sentences = read_tagged_sentences(data / "entities" / "test.jsonl")
    async with open_onnx_analyzer(load_settings(model_repository=repository)) as analyzer:
        reader = Reader(analyzer)
        sentiment = {
            "documents": document_figures(documents, await _read(reader, [clean(row.text) for row in documents])),
            "targets": await _target_figures(reader, targeted),
        }
        return {"sentiment": sentiment, "entities": await _entity_figures(reader, sentences)}


def document_figures(rows: Sequence[Document], readings: Sequence[Reading]) -> Figures:
    """Accuracy, macro F1 and calibration error of each source, and of PhraseBank rows on which all annotators agree."""
    groups: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(row.source, []).append(index)
        if row.agreement == 100:
            groups.setdefault(f"{row.source}, all agree", []).append(index)
    return {
        name: _class_figures([rows[index].label for index in kept], [readings[index].document for index in kept])
        for name, kept in sorted(groups.items())
    }


async def _target_figures(reader: Reader, rows: Sequence[TargetedText]) -> Figures:
    texts = [clean(row.text) for row in rows]
    readings = await _read(reader, texts)
    expected: list[str] = []
    found: list[Sentiment | None] = []
    groups: dict[str, list[int]] = {"all": [], "conflicting": []}
    for row, text, reading in zip(rows, texts, readings, strict=True):
        conflicting = len({target.label for target in row.targets}) > 1
        for target in row.targets:
            span = to_clean(target.span, text)
            names = ["all", row.source, *(["conflicting"] if conflicting else [])]
            for name in names:
                groups.setdefault(name, []).append(len(expected))
            expected.append(target.label)
            found.append(reading.sentiment_of([span]) if span else None)
    return {
        name: _class_figures([expected[index] for index in kept], [found[index] for index in kept])
        for name, kept in groups.items()
    }


async def _entity_figures(reader: Reader, rows: Sequence[TaggedSentence]) -> Figures:
    texts = [clean(row.text) for row in rows]
    readings = await _read(reader, texts)
    expected = [gold_entities(row) for row in rows]
    predicted = [
        {(text.to_raw(entity.span), str(entity.type)) for entity in reading.entities}
        for text, reading in zip(texts, readings, strict=True)
    ]
    figures: Figures = {"sentences": len(rows), "strict_f1": strict_f1(expected, predicted)}
    for kind in ("PER", "LOC", "ORG"):
        figures[f"strict_f1_{kind}"] = strict_f1(
            [{entity for entity in found if entity[1] == kind} for found in expected],
            [{entity for entity in found if entity[1] == kind} for found in predicted],
        )
    return figures


def gold_entities(row: TaggedSentence) -> set[tuple[Span, str]]:
    """Raw spans and types of a sentence's entities."""
    return {(Span(row.tokens[first].start, row.tokens[end - 1].end), kind) for first, end, kind in bio_spans(row.tags)}


def _class_figures(expected: Sequence[str], found: Sequence[Sentiment | None]) -> Figures:
    # A target that no token carries is an error of the service, not a row to leave out.
    predicted = [sentiment.label if sentiment else "none" for sentiment in found]
    answered = [(label, sentiment) for label, sentiment in zip(expected, found, strict=True) if sentiment]
    probabilities = np.array([[s.negative, s.neutral, s.positive] for _, s in answered]).reshape(-1, len(LABELS))
    return {
        "rows": len(expected),
        "accuracy": accuracy(expected, predicted),
        "macro_f1": macro_f1(expected, predicted),
        "calibration_error": calibration_error(probabilities, [LABELS.index(label) for label, _ in answered]),
    }


async def _read(reader: Reader, texts: Sequence[CleanText]) -> list[Reading]:
    readings: list[Reading] = []
    for first in range(0, len(texts), _AT_ONCE):
        readings += await reader.read([Article(text.text) for text in texts[first : first + _AT_ONCE]])
    return readings


def _lines(figures: Mapping[str, Any], path: str = "") -> list[str]:
    numbers = " ".join(
        f"{name} {value:.4f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
        if not isinstance(value, Mapping)
    )
    below = [
        line
        for name, value in figures.items()
        if isinstance(value, Mapping)
        for line in _lines(value, f"{path} / {name}" if path else name)
    ]
    return ([f"{path}: {numbers}"] if numbers else []) + below


@click.command()
@data_option
@repository_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--record", is_flag=True, help="Write the figures into the models' manifests.")
def main(data: Path, repository: Path, as_json: bool, record: bool) -> None:
    """Score the served models on the test splits."""
    try:
        figures = asyncio.run(evaluate(repository, data))
        for name, of_model in figures.items():
            if record:
                record_figures(repository, name, of_model)
    except FinsentryError as error:
        raise click.ClickException(str(error)) from None
    print(json.dumps(figures, indent=2) if as_json else "\n".join(_lines(figures)))


if __name__ == "__main__":
    main()
