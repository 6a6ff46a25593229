"""A trend as an ECharts option: mean polarity above, documents below, over the same time.

ECharts because the browser updates such a chart where it stands; Streamlit builds a Plotly chart anew, with all its
flicker, whenever the data change.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard import wording
from dashboard.trends import bins, smoothed
from stream_worker.storage.views import TrendPoint

#: Told apart without seeing red and green; direction says the same.
NEGATIVE, POSITIVE = "#d98a5f", "#6f9fd0"
_INK, _MUTED, _GRID, _BARS = "#1a2332", "#5d6b7e", "#e6e9ee", "#b4bfcd"

#: The line is the mean over so many spans: enough to see through single documents.
_SMOOTHED_BINS = 6

Option = dict[str, Any]


def trend(points: Sequence[TrendPoint], since: datetime, until: datetime, bin_length: timedelta) -> Option:
    """Points of `bin_length` between the two times. A span without documents stays empty: no news is not neutral."""
    starts = bins(since, until, bin_length)
    by_start = {point.start: point for point in points}
    shown = [by_start.get(start) for start in starts]
    largest = max((abs(point.polarity) for point in points), default=1.0)
    reach = next(limit for limit in (0.25, 0.5, 1.0) if largest <= limit or limit == 1.0)
    return {
        "animation": False,
        "textStyle": {"fontFamily": "Source Sans, sans-serif"},
        "grid": [
            {"left": 44, "right": 8, "top": 8, "bottom": "46%"},
            {"left": 44, "right": 8, "top": "64%", "bottom": 20},
        ],
        "xAxis": [_times(starts, bin_length, grid=0), _times(starts, bin_length, grid=1)],
        "yAxis": [_polarity_axis(reach), _documents_axis(f"per {wording.duration(bin_length)}")],
        "series": [
            _polarity_bars(shown),
            _line(smoothed(shown, _SMOOTHED_BINS)),
            _document_bars(shown),
        ],
        "axisPointer": {"link": [{"xAxisIndex": "all"}], "lineStyle": {"color": _MUTED}},
        "tooltip": {"trigger": "axis", "confine": True, "transitionDuration": 0, "textStyle": {"fontSize": 12}},
    }


def _times(starts: Sequence[datetime], bin_length: timedelta, *, grid: int) -> Option:
    clock = "%H:%M" if bin_length < timedelta(hours=1) else "%d %b %H:%M"
    labels = [f"{start.astimezone(UTC):{clock}}" for start in starts]
    return {
        "type": "category",
        "gridIndex": grid,
        "data": labels,
        "axisTick": {"show": False},
        "axisLine": {"onZero": False, "lineStyle": {"color": _GRID}},
        "axisLabel": {
            "show": grid == 1,
            "color": _MUTED,
            "fontSize": 11,
            "interval": max(1, len(starts) // 6) - 1,
            "hideOverlap": True,
        },
    }


def _polarity_axis(reach: float) -> Option:
    return {
        **_axis("polarity", grid=0),
        "min": -reach,
        "max": reach,
        "interval": reach,
    }


def _documents_axis(per: str) -> Option:
    return {**_axis(per, grid=1), "min": 0, "minInterval": 1, "splitNumber": 2}


def _axis(name: str, *, grid: int) -> Option:
    return {
        "type": "value",
        "gridIndex": grid,
        "name": name,
        "nameLocation": "middle",
        "nameGap": 32,
        "nameTextStyle": {"color": _MUTED, "fontSize": 11},
        "axisLabel": {"color": _MUTED, "fontSize": 11},
        "splitLine": {"lineStyle": {"color": _GRID}},
    }


def _polarity_bars(shown: Sequence[TrendPoint | None]) -> Option:
    return {
        "type": "bar",
        "name": "Polarity",
        "data": [
            None
            if point is None
            else {
                "value": round(point.polarity, 4),
                "itemStyle": {"color": NEGATIVE if point.polarity < 0 else POSITIVE},
            }
            for point in shown
        ],
        "barCategoryGap": "14%",
        "tooltip": {"valueFormatter": "%+.2f"},
    }


def _line(polarities: Sequence[float | None]) -> Option:
    return {
        "type": "line",
        "name": "Polarity, smoothed",
        "data": [None if polarity is None else round(polarity, 4) for polarity in polarities],
        "showSymbol": False,
        "lineStyle": {"color": _INK, "width": 1.6},
        "itemStyle": {"color": _INK},
        "silent": True,
        "tooltip": {"valueFormatter": "%+.2f"},
    }


def _document_bars(shown: Sequence[TrendPoint | None]) -> Option:
    return {
        "type": "bar",
        "name": "Documents",
        "xAxisIndex": 1,
        "yAxisIndex": 1,
        "data": [0 if point is None else point.documents for point in shown],
        "itemStyle": {"color": _BARS},
        "barCategoryGap": "14%",
    }
