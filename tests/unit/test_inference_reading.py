"""Texts of any length are read passage by passage, and put together by rule."""

from collections.abc import AsyncIterator

import numpy as np
import pytest

from stream_worker.domain.mentions import EntityType, Span
from stream_worker.domain.passages import MAX_TOKENS, Article, article_of
from stream_worker.domain.relevance import prominence, weights
from stream_worker.domain.sentiment import Sentiment
from stream_worker.domain.text import clean
from stream_worker.inference.analyzer import Analyzer
from stream_worker.inference.opening import open_onnx_analyzer
from stream_worker.inference.reading import ArticleReading, Reader
from stream_worker.settings import Settings
from tests.stub_models import write_stub_repository

TITLE = "Apple soars"
BODY = "Nokia plunges after its results. The market is in London. Apple falls, says Jane Doe."


@pytest.fixture(scope="module")
async def analyzer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Analyzer]:
    repository = write_stub_repository(tmp_path_factory.mktemp("reading"))
    async with open_onnx_analyzer(Settings(model_repository=repository)) as analyzer:
        yield analyzer


@pytest.fixture(scope="module")
def reader(analyzer: Analyzer) -> Reader:
    return Reader(analyzer)


def article(title: str, body: str) -> Article:
    raw = f"{title}\n{body}"
    return article_of(raw, clean(raw), len(title) + 1, "en")


async def read(reader: Reader, article: Article) -> ArticleReading:
    (reading,) = await reader.read([article])
    assert isinstance(reading, ArticleReading)
    return reading


async def test_a_text_of_one_piece_that_fits_is_what_the_models_say_of_it(analyzer: Analyzer, reader: Reader) -> None:
    texts = ["Apple soars as Nokia plunges", "Apple soars. Nokia plunges. " * 9, ""]
    analyses = await analyzer.analyze([clean(text).text for text in texts])
    readings = await reader.read([Article(clean(text).text) for text in texts])
    assert all(reading is analysis for reading, analysis in zip(readings, analyses, strict=True))


async def test_entities_are_found_where_they_stand_in_the_whole_text(reader: Reader) -> None:
    text = article(TITLE, BODY)
    reading = await read(reader, text)
    assert [(text.text[e.span.start : e.span.end], e.type) for e in reading.entities] == [
        ("Apple", EntityType.ORGANISATION),
        ("Nokia", EntityType.ORGANISATION),
        ("London", EntityType.LOCATION),
        ("Apple", EntityType.ORGANISATION),
        ("Jane Doe", EntityType.PERSON),
    ]
    assert not reading.truncated


async def test_the_document_is_the_pool_of_its_passages_by_weight(analyzer: Analyzer, reader: Reader) -> None:
    text = article(TITLE, BODY)
    reading = await read(reader, text)
    pieces = [text.text[span.start : span.end] for span in reading.passages]
    assert pieces == [
        TITLE,
        "Nokia plunges after its results.",
        "The market is in London.",
        "Apple falls, says Jane Doe.",
    ]
    analyses = await analyzer.analyze(pieces)
    tokens = analyzer.encoder.encode(pieces).lengths.tolist()
    starts = [span.start for span in reading.passages]
    expected = Sentiment.pooled(
        [analysis.document for analysis in analyses], weights(list(zip(starts, tokens, strict=True)), text.body_start)
    )
    assert reading.document == expected


async def test_an_instrument_is_the_mean_of_its_mentions_by_prominence(reader: Reader) -> None:
    text = article(TITLE, BODY)
    reading = await read(reader, text)
    spans = [entity.span for entity in reading.entities if text.text.startswith("Apple", entity.span.start)]
    logits = [
        analysis.logits_of([Span(span.start - passage.start, span.end - passage.start)])[0]
        for span, passage, analysis in zip(
            spans, (reading.passages[0], reading.passages[3]), (reading.analyses[0], reading.analyses[3]), strict=True
        )
    ]
    shares = [prominence(passage.start, text.body_start) for passage in (reading.passages[0], reading.passages[3])]
    expected = Sentiment.from_logits(np.average(logits, axis=0, weights=shares).tolist())
    found = reading.sentiment_of(spans)
    assert found is not None
    assert [found.negative, found.positive] == pytest.approx([expected.negative, expected.positive])
    alone = [reading.sentiment_of([span]) for span in spans]
    assert [sentiment.label for sentiment in alone if sentiment] == ["positive", "negative"]


async def test_a_mention_across_an_edge_is_read_on_both_sides(reader: Reader) -> None:
    text = article("Good", "Fraud")
    across = (await read(reader, text)).sentiment_of([Span(0, 10)])
    assert across is not None
    assert 0 < across.negative < across.positive


async def test_white_space_between_passages_has_no_sentiment(reader: Reader) -> None:
    assert (await read(reader, article("Good", "Fraud"))).sentiment_of([Span(4, 5)]) is None


async def test_what_lies_behind_the_last_passage_is_not_read_and_it_says_so(reader: Reader) -> None:
    text = "Apple soars. " * (MAX_TOKENS // 5 + 1)
    reading = await read(reader, Article(text.strip()))
    assert reading.truncated
    assert reading.sentiment_of([Span(0, 5)]) is not None
    assert reading.sentiment_of([Span(len(text) - 13, len(text) - 8)]) is None


async def test_sentences_that_articles_share_are_inferred_once(reader: Reader) -> None:
    one, other = await read(reader, article(TITLE, BODY)), await read(reader, article("Nokia plunges", BODY))
    assert all(a is b for a, b in zip(one.analyses[1:], other.analyses[1:], strict=True))


async def test_a_bound_on_what_boilerplate_moves(reader: Reader) -> None:
    body = "Nokia plunges after its results. " * 60
    plain, with_footer = await reader.read([article(TITLE, body), article(TITLE, body + "It is in London. " * 400)])
    assert abs(plain.document.polarity - with_footer.document.polarity) < 0.2
    assert plain.sentiment_of([Span(0, 5)]) == with_footer.sentiment_of([Span(0, 5)])
