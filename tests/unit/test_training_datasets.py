"""Data files are refused by name and line, whatever is wrong with them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stream_worker.domain.mentions import Span
from triton_models.datasets import (
    DataError,
    Target,
    read_documents,
    read_tagged_sentences,
    read_targeted_texts,
)

DOCUMENT = {"source": "wire", "text": "Nokia gains", "label": "positive", "group": "g1"}
TARGETED = {
    "source": "wire",
    "text": "Nokia gains, Apple falls",
    "group": "g1",
    "targets": [
        {"text": "Nokia", "start": 0, "end": 5, "label": "positive"},
        {"text": "Apple", "start": 13, "end": 18, "label": "negative"},
        {"text": "Samsung", "start": None, "end": None, "label": "neutral"},
    ],
}
SENTENCE = {"source": "wire", "text": "In  New York", "tokens": ["In", "New", "York"], "tags": ["O", "B-LOC", "I-LOC"]}
GOOD_ROW = {"read_documents": DOCUMENT, "read_targeted_texts": TARGETED, "read_tagged_sentences": SENTENCE}


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_a_document_keeps_its_text_label_and_agreement(tmp_path: Path) -> None:
    first, second = read_documents(written(tmp_path / "rows.jsonl", DOCUMENT, {**DOCUMENT, "agreement": 75}))
    assert (first.text, first.label, first.agreement) == ("Nokia gains", "positive", None)
    assert second.agreement == 75


def test_a_target_whose_words_are_not_in_the_text_is_left_out(tmp_path: Path) -> None:
    (row,) = read_targeted_texts(written(tmp_path / "rows.jsonl", TARGETED))
    assert row.targets == (Target(Span(0, 5), "positive"), Target(Span(13, 18), "negative"))


def test_tokens_are_found_in_a_text_with_other_spacing(tmp_path: Path) -> None:
    (row,) = read_tagged_sentences(written(tmp_path / "rows.jsonl", SENTENCE))
    assert row.tokens == (Span(0, 2), Span(4, 7), Span(8, 12))


@pytest.mark.parametrize(
    ("read", "row", "problem"),
    [
        (read_documents, "{", "not JSON"),
        (read_documents, [], "expected an object"),
        (read_documents, {**DOCUMENT, "label": "bullish"}, "label 'bullish'"),
        (read_documents, {**DOCUMENT, "label": ["neutral"]}, "label ['neutral']"),
        (read_documents, {**DOCUMENT, "text": ""}, "'text'"),
        (read_documents, {**DOCUMENT, "group": None}, "'group'"),
        (read_documents, {**DOCUMENT, "agreement": "most"}, "'agreement'"),
        (read_targeted_texts, {**TARGETED, "targets": []}, "'targets'"),
        (read_targeted_texts, {**TARGETED, "targets": ["Nokia"]}, "a target must be an object"),
        (read_targeted_texts, {**TARGETED, "targets": [{"start": 0, "end": 99, "label": "neutral"}]}, "0 to 99"),
        (read_targeted_texts, {**TARGETED, "targets": [{"start": 5, "end": 5, "label": "neutral"}]}, "5 to 5"),
        (read_targeted_texts, {**TARGETED, "targets": [{"start": None, "end": 5, "label": "neutral"}]}, "None to 5"),
        (read_tagged_sentences, {**SENTENCE, "tags": ["O", "B-LOC"]}, "3 tokens but 2 tags"),
        (read_tagged_sentences, {**SENTENCE, "tags": ["O", "B-LOC", "I-GPE"]}, "tag 'I-GPE'"),
        (read_tagged_sentences, {**SENTENCE, "tokens": ["In", "York", "New"]}, "token 'New' is not in the text"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_with_its_file_and_line(
    tmp_path: Path, read: Callable[[Path], Any], row: object, problem: str
) -> None:
    path = written(tmp_path / "rows.jsonl", GOOD_ROW[read.__name__], row)
    with pytest.raises(DataError) as refusal:
        read(path)
    assert str(refusal.value).startswith(f"{path}, line 2: ")
    assert problem in str(refusal.value)


def test_a_missing_an_empty_and_an_undecodable_file_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "latin.jsonl").write_bytes(b"\xe9\n")
    (tmp_path / "empty.jsonl").touch()
    for name, problem in (("missing", "Cannot read"), ("empty", "holds no rows"), ("latin", "not UTF-8")):
        with pytest.raises(DataError, match=problem) as refusal:
            read_documents(tmp_path / f"{name}.jsonl")
        assert str(tmp_path / f"{name}.jsonl") in str(refusal.value)
