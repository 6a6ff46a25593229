"""Every code point of a text is read once, in passages that fit the models and end where sentences do."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream_worker.domain.passages import (
    MAX_CODE_POINTS,
    MAX_TOKENS,
    SPECIAL_TOKENS,
    Article,
    article_of,
    passages,
)
from stream_worker.domain.text import clean
from stream_worker.inference.encoding import Encoder
from tests.stub_models import write_stub_repository

LONGEST = 254


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    repository = write_stub_repository(tmp_path_factory.mktemp("passages"))
    return Encoder(repository / "sentiment" / "1" / "tokenizer.json", LONGEST + SPECIAL_TOKENS)


def read(encoder: Encoder, raw: str, body_start: int | None = None, longest: int = LONGEST) -> list[str]:
    article = article_of(raw, clean(raw), body_start, "en")
    return [article.text[s.start : s.end] for s in passages(article, encoder.word_starts, longest).spans]


def test_a_text_of_one_piece_that_fits_is_read_at_once(encoder: Encoder) -> None:
    for raw in ("Apple soars. Nokia cuts its outlook.", "", "market " * LONGEST):
        assert read(encoder, raw) == [clean(raw).text]


def test_a_text_that_does_not_fit_is_read_sentence_by_sentence(encoder: Encoder) -> None:
    assert (
        read(encoder, "Apple soars. Nokia cuts its outlook. " * 40) == ["Apple soars.", "Nokia cuts its outlook."] * 40
    )


def test_an_article_is_read_sentence_by_sentence_however_short(encoder: Encoder) -> None:
    raw = "Apple soars\nMr. Smith of Apple Inc. said so. Nokia fell 5.5 pct!"
    assert read(encoder, raw, raw.index("Mr.")) == [
        "Apple soars",
        "Mr. Smith of Apple Inc. said so.",
        "Nokia fell 5.5 pct!",
    ]


def test_paragraphs_and_short_lines_end_sentences_and_wrapped_lines_do_not(encoder: Encoder) -> None:
    body = "Outlook\nThe company said on Tuesday that its profit and\nits revenue rose\n\n- Apple\n- Nokia"
    assert read(encoder, f"Title\n{body}", 6)[1:] == [
        "Outlook",
        "The company said on Tuesday that its profit and its revenue rose",
        "- Apple",
        "- Nokia",
    ]


def test_a_sentence_that_does_not_fit_is_cut_behind_a_clause_else_between_words(encoder: Encoder) -> None:
    found = read(encoder, "the market, as the news says, and the outlook" * 3, longest=12)
    assert found[0] == "the market, as the news says,"
    assert all(len(piece.split()) <= 5 for piece in read(encoder, "good news " * 30, longest=5))
    assert "".join(read(encoder, "=" * 700)) == "=" * 700


def test_a_word_that_does_not_fit_is_a_passage_of_its_own(encoder: Encoder) -> None:
    assert read(encoder, f"good {'x' * 90} news", longest=20) == ["good", "x" * 90, "news"]


def test_reading_ends_after_so_many_tokens_or_code_points_and_says_so(encoder: Encoder) -> None:
    for text in ("Apple soars. " * 5_000, "= " * 100_000, ". " * 100_000, "“" * 200_000, "中。" * 100_000):
        article = Article(text.strip())
        found = passages(article, encoder.word_starts, LONGEST)
        assert found.truncated
        pieces = [article.text[span.start : span.end] for span in found.spans]
        taken = sum(len(starts) + SPECIAL_TOKENS for starts in encoder.word_starts(pieces))
        assert MAX_TOKENS - LONGEST - SPECIAL_TOKENS <= taken <= MAX_TOKENS
    long_words = passages(Article(" ".join(["x" * 999] * 200)), encoder.word_starts, LONGEST)
    assert long_words.truncated
    assert long_words.spans[-1].end == pytest.approx(MAX_CODE_POINTS, abs=1)


PROSE = st.lists(
    st.sampled_from(
        [
            "Apple soars",
            ". ",
            "; ",
            " ",
            "\n",
            "\n\n",
            "Mr.",
            "“x.”",
            "?",
            "中文。",
            "é",
            "🚀",
            "x" * 130,
            "=====",
            "1.5",
        ]
    )
    | st.text(max_size=5),
    max_size=200,
).map("".join)


@settings(deadline=None, max_examples=150)
@given(PROSE, st.integers(0, 60), st.integers(100, 140))
@example("\u200b", 1, 100)
def test_every_code_point_is_read_once_and_no_passage_is_too_long(
    encoder: Encoder, raw: str, title: int, longest: int
) -> None:
    body_start = title if 0 < title < len(raw) else None
    article = article_of(raw, clean(raw), body_start, "en")
    if not article.text:
        return
    found = passages(article, encoder.word_starts, longest)
    assert not found.truncated
    behind = 0
    for span in found.spans:
        assert behind <= span.start < span.end
        assert article.text[behind : span.start].strip(" ") == ""
        behind = span.end
    assert article.text[behind:].strip(" ") == ""
    pieces = [article.text[span.start : span.end] for span in found.spans]
    assert max(map(len, encoder.word_starts(pieces))) <= longest
    assert passages(article, encoder.word_starts, longest) == found


@settings(deadline=None, max_examples=60)
@given(PROSE)
def test_a_text_cut_where_words_begin_has_the_tokens_of_the_whole(encoder: Encoder, raw: str) -> None:
    text = clean(raw).text
    starts = encoder.word_starts([text])[0]
    for cut in sorted(set(starts))[:20]:
        left, right = encoder.word_starts([text[:cut], text[cut:]])
        assert [*left, *(start + cut for start in right)] == starts
