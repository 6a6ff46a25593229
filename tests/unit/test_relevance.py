"""What comes first counts most, and what is appended changes little."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_worker.domain.relevance import HALF_LIFE_CODE_POINTS, prominence, relevances, weights
from stream_worker.domain.sentiment import Sentiment

POSITION = st.integers(0, 300_000)
BODY_START = st.none() | st.integers(1, 2_001)


def test_a_title_is_all_prominent_and_its_body_begins_at_a_half() -> None:
    assert [prominence(position, 80) for position in (0, 79)] == [1.0, 1.0]
    assert prominence(80, 80) == 0.5
    assert prominence(80 + HALF_LIFE_CODE_POINTS, 80) == 0.25


def test_a_text_without_a_title_begins_as_prominent_as_one() -> None:
    assert prominence(0, None) == 1.0
    assert prominence(HALF_LIFE_CODE_POINTS, None) == 0.5


@given(st.lists(POSITION, min_size=2, max_size=20), BODY_START)
def test_prominence_lies_between_0_and_1_and_never_rises(positions: list[int], body_start: int | None) -> None:
    found = [prominence(position, body_start) for position in sorted(positions)]
    assert all(1.0 >= before >= behind >= 0.0 for before, behind in pairwise(found))


def test_the_only_thing_that_a_title_names_is_what_it_is_about() -> None:
    assert relevances([("apple", 0)], 20) == [1.0]
    assert relevances([(None, 0), ("apple", 12), ("apple", 300)], 100) == [1.0, 1.0, prominence(300, 100)]


def test_what_is_named_in_passing_or_among_many_counts_less() -> None:
    assert relevances([("apple", 0), ("nokia", 15)], 40) == pytest.approx([0.5**0.5, 0.8 * 0.5**0.5])
    listed = relevances([(f"ticker-{number}", 6 * number) for number in range(20)], 200)
    assert listed == pytest.approx([0.05**0.5] + [0.8 * 0.05**0.5] * 19)


@given(st.lists(st.tuples(st.sampled_from(["apple", "nokia", None]), POSITION), max_size=20), BODY_START)
def test_relevance_lies_between_0_and_1_and_more_mentions_never_lower_it(
    mentions: list[tuple[str | None, int]], body_start: int | None
) -> None:
    found = relevances(mentions, body_start)
    assert all(0.0 <= relevance <= 1.0 for relevance in found)
    named = next((instrument for instrument, _ in mentions if instrument is not None), None)
    if named is not None:
        again = relevances([*mentions, (named, 0)], body_start)
        before = max(r for r, (instrument, _) in zip(found, mentions, strict=True) if instrument == named)
        assert max(r for r, (i, _) in zip(again, [*mentions, (named, 0)], strict=True) if i == named) >= before


def in_body(sizes: list[int], start: int = 0) -> list[tuple[int, int]]:
    """Passages of so many tokens, five code points each, one behind the other."""
    return [(start + 5 * sum(sizes[:number]), size) for number, size in enumerate(sizes)]


SIZES = st.lists(st.integers(3, 256), min_size=1, max_size=40)


@given(SIZES, SIZES | st.just([]))
def test_weights_add_up_to_one_and_title_and_body_have_a_half_each(body: list[int], title: list[int]) -> None:
    start = 5 * sum(title)
    found = weights([*in_body(title), *in_body(body, start)], start or None)
    assert math.isclose(sum(found), 1.0)
    if title:
        assert math.isclose(sum(found[: len(title)]), 0.5)


def test_a_single_passage_has_all_the_weight() -> None:
    assert weights([(0, 7)], None) == [1.0]


@given(st.lists(st.integers(3, 256), min_size=2, max_size=40))
def test_of_passages_of_one_size_the_earlier_weighs_more(sizes: list[int]) -> None:
    found = weights([(start, 30) for start, _ in in_body(sizes)], None)
    assert all(before >= behind for before, behind in pairwise(found))


@given(st.integers(1, 200), st.integers(1, 500))
def test_what_is_appended_to_a_body_gets_a_bounded_share_of_it(sentences: int, appended: int) -> None:
    found = weights(in_body([30] * (sentences + appended)), None)
    read = 5 * 30 * sentences
    assert sum(found[sentences:]) <= 2 ** (-read / HALF_LIFE_CODE_POINTS) + 1e-9


PROBABILITIES = st.lists(st.floats(-8, 8), min_size=3, max_size=3).map(Sentiment.from_logits)


def probabilities(sentiment: Sentiment) -> list[float]:
    return [sentiment.negative, sentiment.neutral, sentiment.positive]


@given(st.lists(st.tuples(PROBABILITIES, st.floats(0.01, 5)), min_size=1, max_size=20))
def test_a_pool_is_a_distribution_between_its_opinions(opinions: list[tuple[Sentiment, float]]) -> None:
    sentiments, counts = zip(*opinions, strict=True)
    pooled = Sentiment.pooled(sentiments, counts)
    assert math.isclose(sum(probabilities(pooled)), 1.0)
    log_odds = [math.log(sentiment.positive / sentiment.negative) for sentiment in sentiments]
    assert min(log_odds) - 1e-6 <= math.log(pooled.positive / pooled.negative) <= max(log_odds) + 1e-6


@given(PROBABILITIES, st.lists(st.floats(0.01, 5), min_size=1, max_size=20))
def test_opinions_that_agree_are_their_own_pool(sentiment: Sentiment, counts: list[float]) -> None:
    pooled = Sentiment.pooled([sentiment] * len(counts), counts)
    assert probabilities(pooled) == pytest.approx(probabilities(sentiment))


@given(PROBABILITIES, PROBABILITIES, st.floats(0.01, 1), st.floats(0.01, 1))
def test_more_weight_for_the_more_positive_opinion_never_lowers_the_odds(
    one: Sentiment, other: Sentiment, less: float, more: float
) -> None:
    def odds(sentiment: Sentiment) -> float:
        return math.log(sentiment.positive / sentiment.negative)

    low, high = sorted((one, other), key=odds)
    small, large = sorted((less, more))
    assert odds(Sentiment.pooled([low, high], [1, small])) <= odds(Sentiment.pooled([low, high], [1, large])) + 1e-9


def test_certainty_pools_with_certainty() -> None:
    pooled = Sentiment.pooled([Sentiment(1.0, 0.0, 0.0), Sentiment(0.0, 0.0, 1.0)], [1, 1])
    assert pooled.positive == pytest.approx(0.5)


def test_opinions_without_weight_have_no_pool() -> None:
    with pytest.raises(ValueError, match="without weight"):
        Sentiment.pooled([Sentiment(0.2, 0.3, 0.5)], [0])
