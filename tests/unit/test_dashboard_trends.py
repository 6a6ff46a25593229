"""Points of a minute put together, smoothed and drawn."""

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.charts import trend
from dashboard.trends import LIVE_RANGES, binned, fitting, smoothed
from stream_worker.storage.views import TrendPoint

START = datetime(2026, 11, 24, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def _points(*rows: tuple[int, int, float]) -> list[TrendPoint]:
    return [TrendPoint(START + minute * MINUTE, documents, polarity) for minute, documents, polarity in rows]


def test_minutes_are_joined_with_means_weighted_by_documents() -> None:
    points = _points((0, 1, -1.0), (5, 3, 1.0), (9, 1, -1.0))
    joined = binned(points, START - MINUTE, START + 10 * MINUTE, 5 * MINUTE)
    assert joined == _points((0, 1, -1.0), (5, 4, 0.5))


def test_what_is_outside_the_range_is_left_out() -> None:
    points = _points((0, 1, 1.0), (5, 1, 1.0), (6, 1, 1.0))
    assert binned(points, START, START + 5 * MINUTE, MINUTE) == _points((5, 1, 1.0))


def test_the_line_is_a_mean_over_documents_of_the_last_spans_and_ends_where_nothing_was_published() -> None:
    first, second = _points((0, 1, 1.0), (1, 3, -1.0))
    assert smoothed([None, first, second, None, None], 2) == [None, 1.0, -0.5, -1.0, None]


@pytest.mark.parametrize(
    ("minutes", "name"), [(0, "30 min"), (31, "1 h"), (60, "1 h"), (61, "6 h"), (24 * 60, "24 h"), (9999, "24 h")]
)
def test_the_shortest_range_that_shows_everything_is_taken(minutes: int, name: str) -> None:
    assert fitting(LIVE_RANGES, START, START + minutes * MINUTE).name == name


def test_a_span_without_documents_stays_empty_in_the_chart() -> None:
    option = trend(_points((0, 2, -0.5), (3, 1, 0.25)), START, START + 4 * MINUTE, MINUTE)
    polarity, _, documents = (series["data"] for series in option["series"])
    assert [bar and bar["value"] for bar in polarity] == [-0.5, None, None, 0.25, None]
    assert polarity[0]["itemStyle"] != polarity[3]["itemStyle"]
    assert documents == [2, 0, 0, 1, 0]
    assert option["xAxis"][1]["data"] == ["10:00", "10:01", "10:02", "10:03", "10:04"]


def test_a_chart_has_one_place_for_each_span_of_its_range() -> None:
    option = trend([], START + MINUTE / 2, START + timedelta(days=7), timedelta(hours=2))
    assert option["xAxis"][0]["data"][:2] == ["24 Nov 10:00", "24 Nov 12:00"]
    assert len(option["xAxis"][0]["data"]) == 7 * 12 + 1


@pytest.mark.parametrize(("polarity", "reach"), [(0.1, 0.25), (-0.3, 0.5), (0.9, 1.0)])
def test_small_polarities_are_seen_and_large_ones_fit(polarity: float, reach: float) -> None:
    axis = trend(_points((0, 1, polarity)), START, START, MINUTE)["yAxis"][0]
    assert (axis["min"], axis["max"]) == (-reach, reach)
