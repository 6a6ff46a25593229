"""What the dashboard makes of untrusted texts and of states."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.view import board_html, empty_html, feed_html, heading_html, instrument_feed_html
from stream_worker.domain.sentiment import Sentiment
from stream_worker.storage.views import BoardRow, InstrumentDocument, NamedInstrument, ShownDocument

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DOCUMENT = ShownDocument(
    document_id="1",
    source="wire",
    kind="news",
    url=None,
    text="Profit up",
    published_at=datetime(2026, 11, 24, 10, tzinfo=UTC),
    received_at=NOW,
    language="en",
    unscored_reason=None,
    sentiment=Sentiment(0.1, 0.2, 0.7),
    model_version="sentiment/1@0 entities/1@0",
    instruments=(),
)


def _feed(document: ShownDocument) -> str:
    return feed_html([document], NOW, str)


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><b>x'])
def test_markup_in_a_headline_source_or_name_is_text(text: str) -> None:
    html = _feed(replace(DOCUMENT, text=text, source=text, instruments=(NamedInstrument(text, 0.0),)))
    html += board_html([BoardRow(text, 1, 0.0, 0)], str) + heading_html(text, NOW, text, text, text)
    assert text not in html
    assert "<script" not in html
    assert "<img" not in html


def test_an_escaped_text_is_shown_as_it_was_written() -> None:
    assert "&amp;lt;b&amp;gt;" in _feed(replace(DOCUMENT, text="&lt;b&gt;"))


@given(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=50))
def test_no_text_opens_a_tag_or_ends_an_attribute(text: str) -> None:
    html = _feed(replace(DOCUMENT, text=text, source=text, instruments=(NamedInstrument(text, 0.0),)))
    plain = _feed(replace(DOCUMENT, text="", source="", instruments=(NamedInstrument("", 0.0),)))
    assert [html.count(mark) for mark in '<"'] == [plain.count(mark) for mark in '<"']


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//host/x",
        "http://",
        "http://[",
        "https://a\nb",
        "java\tscript:x",
        "",
    ],
)
def test_only_web_addresses_become_links(url: str) -> None:
    assert "<a " not in _feed(replace(DOCUMENT, url=url))


def test_a_web_address_becomes_a_link_that_tells_nothing() -> None:
    html = _feed(replace(DOCUMENT, url='https://example.org/"x'))
    assert 'href="https://example.org/&quot;x" target="_blank" rel="noopener noreferrer"' in html


def test_an_unscored_document_shows_its_reason_and_no_number() -> None:
    html = _feed(replace(DOCUMENT, sentiment=None, unscored_reason="other_language"))
    assert "not in a language that the models read" in html
    assert "fs-bar" not in html
    assert "neutral" not in html


def test_a_reason_that_this_version_does_not_know_is_still_said() -> None:
    assert "too odd" in _feed(replace(DOCUMENT, sentiment=None, unscored_reason="too_odd"))


@pytest.mark.parametrize(
    ("polarity", "shape"), [(-0.5, "▼ −0.50"), (0.05, "■ +0.05"), (-0.001, "■ 0.00"), (0.2, "▲ +0.20")]
)
def test_a_polarity_is_told_by_shape_and_sign(polarity: float, shape: str) -> None:
    assert shape in board_html([BoardRow("apple", 3, polarity, 1)], str)


def test_an_instruments_documents_show_the_sentiment_towards_it_and_name_the_others() -> None:
    named = replace(DOCUMENT, instruments=(NamedInstrument("apple", -0.8), NamedInstrument("nokia", 0.3)))
    html = instrument_feed_html("apple", [InstrumentDocument(named, Sentiment(0.9, 0.0, 0.1))], NOW, str)
    assert "▼ negative" in html
    assert "nokia" in html
    assert "apple" not in html


def test_an_instruments_id_cannot_leave_its_address() -> None:
    html = board_html([BoardRow('a&b=" #/x', 1, 0.0, 0)], str)
    assert 'href="instrument?id=a%26b%3D%22%20%23%2Fx"' in html


def test_documents_of_another_day_show_their_day() -> None:
    assert ">10:00:00</time>" in _feed(DOCUMENT)
    assert ">23 Nov 10:00</time>" in _feed(replace(DOCUMENT, published_at=datetime(2026, 11, 23, 10, tzinfo=UTC)))


def test_words_between_backticks_are_commands() -> None:
    assert "<code>make demo</code>" in empty_html("Nothing", "Run `make demo`.")


def test_a_body_stands_apart_from_its_headline_and_is_text_too() -> None:
    html = _feed(replace(DOCUMENT, text="Profit <b>up</b>\nAnd <i>more</i>\n"))
    assert '<p class="fs-headline"><bdi>Profit &lt;b&gt;up&lt;/b&gt;</bdi></p>' in html
    assert '<p class="fs-body"><bdi>And &lt;i&gt;more&lt;/i&gt;</bdi></p>' in html
