"""Live states as figures."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import plotly.graph_objects as go

from dashboard.view import NEGATIVE, POSITIVE

#: Minutes that one bar or point stands for, by how many minutes are shown.
_STEPS = ((180, 1), (720, 5), (10**9, 15))

Point = tuple[datetime, int, float]


def grouped(series: Sequence[Sequence[Any]]) -> tuple[int, list[Point]]:
    """Minutes [ISO, documents, polarity] joined into steps (of so many minutes) that the eye can tell apart.

    Means are weighted by documents.
    """
    if not series:
        return 1, []
    minutes = [(datetime.fromisoformat(iso), int(documents), float(polarity)) for iso, documents, polarity in series]
    span = (minutes[-1][0] - minutes[0][0]).total_seconds() / 60
    step = next(step for longest, step in _STEPS if span <= longest)
    joined: dict[datetime, tuple[int, float]] = {}
    for minute, documents, polarity in minutes:
        start = minute - timedelta(minutes=minute.minute % step)
        count, total = joined.get(start, (0, 0.0))
        joined[start] = count + documents, total + polarity * documents
    return step, [(start, count, total / count) for start, (count, total) in sorted(joined.items())]


def trend(series: Sequence[Sequence[Any]]) -> go.Figure:
    """Documents as bars, mean polarity as a line."""
    step, points = grouped(series)
    times = [time for time, _, _ in points]
    polarities = [polarity for _, _, polarity in points]
    figure = go.Figure()
    figure.add_bar(
        x=times, y=[count for _, count, _ in points], name="Documents", yaxis="y2",
        marker_color="#d5dce3", width=step * 48_000,
        hovertemplate="%{x|%H:%M} · %{y} documents<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=times, y=polarities, name="Mean polarity", mode="lines+markers", line={"color": "#1b2530", "width": 1.5},
        marker={"color": [NEGATIVE if p < 0 else POSITIVE for p in polarities], "size": 6},
        hovertemplate="%{x|%H:%M} · polarity %{y:+.2f}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        height=260,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        plot_bgcolor="#ffffff",
        legend={"orientation": "h", "y": 1.12, "x": 0},
        yaxis2={"side": "right", "showgrid": False, "title": "Documents", "rangemode": "tozero"},
        yaxis={
            "range": [-1.05, 1.05],
            "tickmode": "array",
            "tickvals": [-1, -0.5, 0, 0.5, 1],
            "tickformat": "+.1f",
            "title": "Polarity",
            "overlaying": "y2",
            "zerolinecolor": "#9aa5b1",
            "gridcolor": "#edf0f3",
        },
        xaxis={"range": _range(times)} if times else {},
        uirevision="keep",
    )
    return figure


def _range(times: Sequence[datetime]) -> tuple[datetime, datetime]:
    """What is shown: at least half an hour, so that a single minute does not fill the figure."""
    last = times[-1] + timedelta(minutes=1)
    return min(times[0] - timedelta(minutes=1), last - timedelta(minutes=30)), last
