"""Tag logits become entities: valid, disjoint, ordered, and the best of all valid sequences."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_worker.domain.mentions import Entity, EntityType, Span
from stream_worker.inference.contract import TAGS
from stream_worker.inference.decoding import best_tags, decode_entities
from stream_worker.inference.encoding import Encoder
from tests.stub_models import write_stub_repository


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    repository = write_stub_repository(tmp_path_factory.mktemp("decoding"))
    return Encoder(repository / "entities" / "1" / "tokenizer.json", 32)


def entities(encoder: Encoder, text: str, *tags: str) -> list[tuple[str, EntityType]]:
    """The entities found when the model is sure of one tag for each token between [CLS] and [SEP]."""
    encodings = encoder.encode([text])
    assert len(encodings.ids) == len(tags) + 2
    logits = np.zeros((len(encodings.ids), len(TAGS)), dtype=np.float32)
    for token, tag in enumerate(tags, start=1):
        logits[token, TAGS.index(tag)] = 5.0
    (found,) = decode_entities(encodings, logits)
    return [(text[entity.span.start : entity.span.end], entity.type) for entity in found]


def is_valid(tags: Sequence[int]) -> bool:
    names = ["O", *(TAGS[tag] for tag in tags)]
    return all(not after.startswith("I-") or before[2:] == after[2:] for before, after in itertools.pairwise(names))


def test_the_tags_are_those_of_the_entity_types() -> None:
    assert TAGS == ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")


def test_words_that_continue_an_entity_form_one_span(encoder: Encoder) -> None:
    assert entities(encoder, "Goldman Sachs cuts Ford", "B-ORG", "I-ORG", "O", "B-ORG") == [
        ("Goldman Sachs", EntityType.ORGANISATION),
        ("Ford", EntityType.ORGANISATION),
    ]


def test_a_new_beginning_parts_two_neighbours(encoder: Encoder) -> None:
    assert [text for text, _ in entities(encoder, "Apple Nokia", "B-ORG", "B-ORG")] == ["Apple", "Nokia"]


def test_only_the_first_piece_of_a_word_counts(encoder: Encoder) -> None:
    tags = ("B-PER", "O", "B-LOC", "O")
    assert entities(encoder, "Bo Apple", tags[0], tags[1], "O") == [("Bo", EntityType.PERSON)]
    assert entities(encoder, "Bo Xu", *tags) == [("Bo", EntityType.PERSON), ("Xu", EntityType.LOCATION)]


def test_an_inside_without_a_beginning_is_repaired_by_the_next_best_sequence(encoder: Encoder) -> None:
    encodings = encoder.encode(["Apple soars"])
    logits = np.zeros((4, len(TAGS)), dtype=np.float32)
    logits[1, TAGS.index("I-ORG")] = 5.0
    logits[1, TAGS.index("B-ORG")] = 4.0
    assert decode_entities(encodings, logits) == [(Entity(Span(0, 5), EntityType.ORGANISATION),)]


def test_an_entity_ends_where_its_text_ends(encoder: Encoder) -> None:
    encodings = encoder.encode(["Apple", "Nokia"])
    logits = np.zeros((6, len(TAGS)), dtype=np.float32)
    logits[1, TAGS.index("B-ORG")] = 5.0
    logits[4, TAGS.index("I-ORG")] = 5.0
    first, second = decode_entities(encodings, logits)
    assert first == (Entity(Span(0, 5), EntityType.ORGANISATION),)
    assert len(second) <= 1


def logits_strategy(words: int) -> st.SearchStrategy[list[list[int]]]:
    row = st.lists(st.integers(-4, 4), min_size=len(TAGS), max_size=len(TAGS))
    return st.lists(row, min_size=words, max_size=words)


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(st.integers(1, 4).flatmap(logits_strategy), min_size=1, max_size=4))
def test_no_valid_sequence_is_better_than_the_one_taken(texts: list[list[list[int]]]) -> None:
    logits = np.concatenate([np.array(rows, dtype=np.float32) for rows in texts])
    numbers = np.repeat(np.arange(len(texts)), [len(rows) for rows in texts])
    tags = best_tags(logits, numbers)
    for number, rows in enumerate(texts):
        taken = tags[numbers == number].tolist()
        assert is_valid(taken)
        assert total(rows, taken) == max(
            total(rows, other) for other in itertools.product(range(len(TAGS)), repeat=len(rows)) if is_valid(other)
        )


def total(rows: list[list[int]], tags: Sequence[int]) -> int:
    return sum(logits[tag] for logits, tag in zip(rows, tags, strict=True))


TEXT = st.text(st.sampled_from("apple nokia Zü,.-'🚀e\u0301中\u00a0"), max_size=40)


@settings(deadline=None, max_examples=100)
@given(texts=st.lists(TEXT, max_size=5), seed=st.integers(0, 2**32 - 1))
def test_spans_are_ordered_disjoint_and_inside_their_text(encoder: Encoder, texts: list[str], seed: int) -> None:
    encodings = encoder.encode(texts)
    logits: NDArray[np.float32] = (
        np.random.default_rng(seed).normal(size=(len(encodings.ids), len(TAGS))).astype(np.float32)
    )
    found = decode_entities(encodings, logits)
    assert len(found) == len(texts)
    for text, of_text in zip(texts, found, strict=True):
        edges = [edge for entity in of_text for edge in (entity.span.start, entity.span.end)]
        assert edges == sorted(edges)
        assert all(entity.span.start < entity.span.end <= len(text) for entity in of_text)
