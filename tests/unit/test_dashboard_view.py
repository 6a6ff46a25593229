"""What the dashboard makes of untrusted texts and of states."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.charts import grouped, trend
from dashboard.view import board_html, clock_time, feed_html, polarity_html, safe_url, tone


def _document(**fields: Any) -> dict[str, Any]:
    return {
        "text": "Profit up",
        "url": None,
        "source": "wire",
        "kind": "news",
        "published_at": "2026-11-24T10:00:00+00:00",
        "sentiment": {"negative": 0.1, "neutral": 0.2, "positive": 0.7},
        "unscored_reason": None,
        "instruments": [],
    } | fields


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><b>x', "&lt;b&gt;"])
def test_markup_in_a_headline_source_or_name_is_text(text: str) -> None:
    instruments = [{"instrument_id": text, "polarity": 0.0}]
    html = feed_html([_document(text=text, source=text, instruments=instruments)], lambda name: name)
    assert text not in html.replace("&amp;lt;b&amp;gt;", "")
    assert "<script" not in html
    assert "<img" not in html
    assert text not in board_html([{"instrument_id": text, "documents": 1, "polarity": 0.0}], lambda name: name)


@given(st.text(max_size=50))
def test_no_text_opens_a_tag(text: str) -> None:
    html = feed_html([_document(text=text)], str)
    assert html.count("<") == feed_html([_document(text="")], str).count("<")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//host/x", "http://", "http://[", "", None]
)
def test_only_web_addresses_become_links(url: str | None) -> None:
    assert safe_url(url) is None
    assert "<a " not in feed_html([_document(url=url)], str)


def test_a_web_address_becomes_a_link_that_tells_nothing() -> None:
    html = feed_html([_document(url='https://example.org/"x')], str)
    assert 'href="https://example.org/&quot;x" target="_blank" rel="noopener noreferrer"' in html


def test_an_unscored_document_shows_its_reason_and_no_number() -> None:
    html = feed_html([_document(sentiment=None, unscored_reason="other_language")], str)
    assert "unscored: other language" in html
    assert "fs-score" not in html


@pytest.mark.parametrize(
    ("polarity", "expected"), [(-0.5, "negative"), (0.05, "neutral"), (-0.001, "neutral"), (0.2, "positive")]
)
def test_a_polarity_has_a_tone(polarity: float, expected: str) -> None:
    assert tone(polarity) == expected
    assert "-0.00" not in polarity_html(polarity)


def test_times_are_shown_in_utc() -> None:
    assert clock_time("2026-11-24T12:00:00+02:00", with_date=True) == "2026-11-24 10:00:00"


def test_minutes_are_joined_with_means_weighted_by_documents() -> None:
    series = [
        ["2026-11-24T10:00:00+00:00", 1, -1.0],
        ["2026-11-24T14:00:00+00:00", 3, 1.0],
        ["2026-11-24T14:01:00+00:00", 1, -1.0],
    ]
    step, points = grouped(series)
    assert step == 5
    assert [(count, polarity) for _, count, polarity in points] == [(1, -1.0), (4, 0.5)]


def test_an_empty_trend_is_an_empty_figure() -> None:
    assert [len(trace.x) for trace in trend([]).data] == [0, 0]
