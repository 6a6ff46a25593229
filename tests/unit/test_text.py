"""Cleaning of raw text, and the way back from clean offsets to raw ones."""

import itertools
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream_worker.domain.mentions import Span
from stream_worker.domain.text import CleanText, clean

#: Any str at all, with what cleaning cares about made likely; lone surrogates included.
ANY_TEXT = st.text(
    st.characters() | st.sampled_from("&;#&;amplt38x \t\u200b\ufe0fﬁ＆；é\u0301\u3099ｶ\ud800\u037e"), max_size=60
)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Apple soars as Nokia cuts outlook", "Apple soars as Nokia cuts outlook"),
        ("Exxon &amp; Shell &gt; BP", "Exxon & Shell > BP"),
        ("P&amp;amp;amp;G", "P&G"),
        ("caf&#233; &#x20AC;5 &euro;6", "café €5 €6"),
        ("AT&T; S&P 500; R&D", "AT&T; S&P 500; R&D"),
        ("price&nbsp;&nbsp;cut", "price cut"),
        ("&#0; &#xD800; &#99999999;", "\ufffd \ufffd \ufffd"),
        ("  two  \t\r\n lines\u2028here\u3000 ", "two lines here"),
        ("pro\u00adfit\u200b war\u202ening\ufeff\x07", "profit warning"),
        ("❤️ up", "❤ up"),
        ("ＡＡＰＬ ＋３％ ￥500 ￡2", "AAPL +3% ¥500 £2"),
        ("oﬃce 𝐁𝐔𝐘 ﾄﾖﾀ ｶﾞｽ", "office BUY トヨタ ガス"),
        ("Nestle\u0301", "Nestlé"),
        ("5½ 10² Apple™ … ① ₹5 ₿", "5½ 10² Apple™ … ① ₹5 ₿"),
        ("", ""),
        (" \u200b ", ""),
    ],
)
def test_cleaning_keeps_the_meaning_and_drops_the_noise(raw: str, text: str) -> None:
    assert clean(raw).text == text


def test_text_that_is_clean_has_no_offset_map() -> None:
    assert clean("Nestlé’s S&P 500 rival gains 5½ %") == CleanText("Nestlé’s S&P 500 rival gains 5½ %", None, None)


def test_spans_of_clean_text_lead_back_to_the_raw_text() -> None:
    raw = " \u200bMarks &amp;  Spen\u00adcer, oﬃce "
    cleaned = clean(raw)
    assert cleaned.text == "Marks & Spencer, office"

    def source(words: str) -> str:
        start = cleaned.text.index(words)
        span = cleaned.to_raw(Span(start, start + len(words)))
        return raw[span.start : span.end]

    assert source("Marks & Spencer") == "Marks &amp;  Spen\u00adcer"
    assert source("&") == "&amp;"
    assert source("ff") == "ﬃ"
    assert source(cleaned.text) == raw.strip(" \u200b")


@given(ANY_TEXT)
@example("&a&#8203;mp;")
@example("&&#97;mp;")
@example("&amp&semi;")
@example("&#38;#38;#38;lt;")
@example("a &#32;&#x301;")
def test_cleaning_again_changes_nothing(raw: str) -> None:
    once = clean(raw)
    assert clean(once.text).text == once.text


@given(ANY_TEXT)
def test_every_clean_code_point_has_a_raw_range_and_they_rise(raw: str) -> None:
    cleaned = clean(raw)
    spans = [cleaned.to_raw(Span(index, index + 1)) for index in range(len(cleaned.text))]
    assert all(0 <= span.start < span.end <= len(raw) for span in spans)
    assert all(before.start <= after.start and before.end <= after.end for before, after in itertools.pairwise(spans))


@given(ANY_TEXT, st.data())
def test_every_span_of_clean_text_lies_inside_the_raw_text(raw: str, data: st.DataObject) -> None:
    cleaned = clean(raw)
    start = data.draw(st.integers(0, len(cleaned.text)))
    end = data.draw(st.integers(start, len(cleaned.text)))
    span = cleaned.to_raw(Span(start, end))
    assert 0 <= span.start <= span.end <= len(raw)


@given(ANY_TEXT, st.data())
def test_a_raw_span_becomes_the_clean_code_points_that_stand_for_any_of_it(raw: str, data: st.DataObject) -> None:
    cleaned = clean(raw)
    start = data.draw(st.integers(0, len(raw)))
    target = Span(start, data.draw(st.integers(start, len(raw))))
    found = cleaned.to_clean(target)
    sources = [cleaned.to_raw(Span(index, index + 1)) for index in range(len(cleaned.text))]
    touched = [index for index, source in enumerate(sources) if source.start < target.end and target.start < source.end]
    assert list(range(found.start, found.end)) == (touched if target.start < target.end else [])


@given(ANY_TEXT)
def test_clean_text_holds_nothing_invisible_and_no_double_space(raw: str) -> None:
    text = clean(raw).text
    assert not any(unicodedata.category(character) in ("Cc", "Cf") for character in text)
    assert "  " not in text
    assert text == text.strip()


def test_deeply_escaped_text_takes_linear_time() -> None:
    assert clean("&" + "amp;" * 200_000 + "lt;").text == "<"
