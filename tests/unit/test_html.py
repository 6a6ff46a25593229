"""What a reader sees of HTML, in bounded time whatever it is."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream_worker.domain.html import text_of_html


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("no tags & no markup", "no tags & no markup"),
        ("<p>One</p><p>Two<br>Three", "One\n\nTwo\nThree"),
        (
            "<h1>Profit up</h1>The   company\n said <b>so</b>, <a href='x'>here</a>.",
            "Profit up\n\nThe company said so, here.",
        ),
        ("<div>in<div>ner</div>tail</div>", "in\nner\ntail"),
        ("<ul><li>One<ul><li>Two</ul><li>Three</ul>", "One\nTwo\nThree"),
        ("<table><tr><td>Q1<td>5<tr><td>Q2<td>7</table>", "Q1\t\t5\nQ2\t\t7"),
        ("a&amp;lt;b &#8364;5 caf&eacute; AT&T", "a&lt;b €5 café AT&T"),
        ("<script>if (a<b) '<p>no</p>'</script><style>p {}</style><!-- no -->yes", "yes"),
        ("<!doctype html><html><head><title>no</title></head><body>yes</body></html>", "yes"),
        ("<b>bold<p>both</b> plain</p", "bold\n\nboth plain"),
        ("<textarea>no</textarea><select><option>no</select><img alt='no'>yes", "yes"),
        ("", ""),
    ],
)
def test_a_reader_sees_the_text_in_lines(html: str, text: str) -> None:
    assert text_of_html(html) == text


def test_a_tag_with_an_image_in_it_loses_only_its_attributes() -> None:
    image = "A" * 10_000
    assert text_of_html(f"<p>a</p><img src='data:{image}'><p title=\"{image} > b\">b</p>") == "a\n\nb"
    assert text_of_html(f"<script>{'a<b ' * 5_000}</script><!--{image}--><p>{image}") == image


@pytest.mark.parametrize(
    "unit",
    [
        "<div>",
        "<ul><li>x",
        "<li>x",
        "<div><p><b><table><tr><td>",
        "<b><i><a><p>",
        "<",
        "<a '",
        '<a ="',
        "<!--",
        "<script>",
        "&amp;",
    ],
)
def test_a_bomb_of_900_kb_takes_little_time_and_leaves_no_more_than_it_was(unit: str) -> None:
    bomb = (unit * (900_000 // len(unit) + 1))[:900_000]
    began = time.process_time()
    assert len(text_of_html(bomb)) <= len(bomb)
    assert time.process_time() - began < 3


def test_a_tag_of_a_hundred_thousand_attributes_takes_little_time() -> None:
    began = time.process_time()
    assert text_of_html(f"<p {' '.join(f'a{n}=1' for n in range(100_000))}>x</p>") == "x"
    assert time.process_time() - began < 3


MARKUP = st.lists(
    st.sampled_from(
        ["<p>", "</p", "<ul><li>", "<td>", "<script>", "</script>", "<!--", "-->", "<a b='", '="', "&lt;", "&#0;", ">"]
    )
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
).map("".join)


@given(MARKUP)
@example("<p>" * 2_000)
def test_whatever_it_is_text_comes_out_and_no_more_of_it(html: str) -> None:
    text = text_of_html(html)
    assert len(text) <= len(html)
    assert "\0" not in text
