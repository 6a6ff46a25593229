"""Batches and figures, against values computed by hand."""

from collections import Counter
from itertools import chain

import numpy as np
import pytest

from triton_models.batches import plan_epoch
from triton_models.metrics import accuracy, bio_spans, calibration_error, macro_f1, strict_f1


def test_an_epoch_draws_each_source_at_its_rate() -> None:
    sources = ["often"] * 1000 + ["once"] * 1000 + ["seldom"] * 4000 + ["never"] * 1000
    rates = {"often": 2.0, "seldom": 0.25, "never": 0.0}
    drawn = Counter(chain.from_iterable(plan_epoch([10] * len(sources), sources, rates, 32, "13/0")))
    copies = Counter[str]()
    for index, count in drawn.items():
        copies[sources[index]] += count
    assert copies["often"] == 2000
    assert copies["once"] == 1000
    assert copies["never"] == 0
    assert 900 < copies["seldom"] < 1100


def test_an_epoch_is_the_same_for_its_seed_and_another_for_the_next() -> None:
    lengths, sources = list(range(500)), ["wire"] * 500
    first, again, other = (plan_epoch(lengths, sources, {}, 32, seed) for seed in ("13/0", "13/0", "13/1"))
    assert first == again
    assert first != other


def test_batches_hold_texts_of_like_length() -> None:
    rng = np.random.default_rng(5)
    lengths = rng.integers(5, 100, 5000).tolist()
    plan = plan_epoch(lengths, ["wire"] * 5000, {}, 32, "13/0")
    padded = sum(max(lengths[index] for index in batch) * len(batch) for batch in plan)
    assert padded < 1.1 * sum(lengths)
    assert max(map(len, plan)) == 32


def test_accuracy_and_macro_f1_of_a_small_table() -> None:
    expected, predicted = ["a", "a", "a", "b", "b", "c"], ["a", "a", "b", "b", "a", "b"]
    assert accuracy(expected, predicted) == pytest.approx(3 / 6)
    assert macro_f1(expected, predicted) == pytest.approx((2 * 2 / 6 + 2 * 1 / 5 + 0) / 3)


def test_strict_f1_counts_exact_matches_only() -> None:
    expected = [{(0, 2, "ORG"), (3, 4, "PER")}, {(0, 1, "LOC")}]
    predicted = [{(0, 2, "ORG"), (3, 5, "PER")}, {(0, 1, "ORG")}]
    assert strict_f1(expected, predicted) == pytest.approx(2 * 1 / 6)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    probabilities = np.array([[0.9, 0.1]] * 4 + [[0.3, 0.7]] * 4)
    sure_and_half_right = [0, 0, 1, 1]
    as_right_as_sure = [1, 1, 1, 0]
    expected = (4 * (0.9 - 0.5) + 4 * (0.75 - 0.7)) / 8
    assert calibration_error(probabilities, sure_and_half_right + as_right_as_sure) == pytest.approx(expected)


def test_spans_are_read_from_tags_even_where_they_are_not_valid() -> None:
    assert bio_spans(["B-ORG", "I-ORG", "O", "I-LOC", "B-PER", "B-PER", "I-ORG"]) == {
        (0, 2, "ORG"),
        (3, 4, "LOC"),
        (4, 5, "PER"),
        (5, 6, "PER"),
        (6, 7, "ORG"),
    }
    assert bio_spans([]) == set()
