"""An analyzer answers in order, infers no text twice, and survives failures and cancellation."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_worker.domain.mentions import Entity, EntityType, Span
from stream_worker.domain.sentiment import Sentiment
from stream_worker.errors import ContractError, Unavailable
from stream_worker.inference.analysis import Analysis
from stream_worker.inference.analyzer import Analyzer
from stream_worker.inference.cache import AnalysisCache, text_digest
from stream_worker.inference.contract import DOCUMENT_LOGITS, SENTIMENT, TAG_LOGITS, ModelPair, read_pair
from stream_worker.inference.encoding import Encoder
from stream_worker.inference.onnx import OnnxBackend
from tests.stub_models import write_stub_repository

Outputs = Mapping[str, NDArray[Any]]


class TroubledBackend:
    """The real stub models behind a gate, with a count of rows and answers that can be spoilt."""

    def __init__(self, models: ModelPair) -> None:
        self._backend = OnnxBackend(models, threads=1)
        self.close = self._backend.close
        self.rows = 0
        self.open = asyncio.Event()
        self.open.set()
        self.away_for_more_rows_than: int | None = None
        self.spoil: dict[str, Any] = {}

    async def infer(self, model: str, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> Outputs:
        await self.open.wait()
        if self.away_for_more_rows_than is not None and len(input_ids) > self.away_for_more_rows_than:
            raise Unavailable("away")
        if model == SENTIMENT:
            self.rows += len(input_ids)
        outputs = await self._backend.infer(model, input_ids, attention_mask)
        return {name: self.spoil.get(name, lambda value: value)(value) for name, value in outputs.items()}

    async def check(self) -> None:
        pass


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ModelPair:
    return read_pair(write_stub_repository(tmp_path_factory.mktemp("analyzer")))


@pytest.fixture
async def backend(models: ModelPair) -> AsyncIterator[TroubledBackend]:
    backend = TroubledBackend(models)
    yield backend
    backend.close()


@pytest.fixture
def analyzer(models: ModelPair, backend: TroubledBackend) -> Analyzer:
    return Analyzer(models, Encoder(models.sentiment.tokenizer, 256), backend, AnalysisCache(100))


async def test_answers_come_in_the_order_of_the_texts(analyzer: Analyzer) -> None:
    texts = ["Nokia plunges", "market news", "Apple soars " * 20, "Apple soars"]
    labels = [analysis.document.label for analysis in await analyzer.analyze(texts)]
    assert labels == ["negative", "neutral", "positive", "positive"]


async def test_no_texts_are_no_analyses(analyzer: Analyzer, backend: TroubledBackend) -> None:
    assert await analyzer.analyze([]) == []
    assert backend.rows == 0


async def test_sentiment_is_about_someone(analyzer: Analyzer) -> None:
    (analysis,) = await analyzer.analyze(["Apple soars as Nokia plunges"])
    about_apple, about_nokia = (analysis.sentiment_of([entity.span]) for entity in analysis.entities)
    assert about_apple is not None
    assert about_nokia is not None
    assert about_apple.polarity > 0.5
    assert about_nokia.polarity < -0.5


async def test_several_spans_count_each_token_once(analyzer: Analyzer) -> None:
    (analysis,) = await analyzer.analyze(["Apple soars as Nokia plunges"])
    apple, both = Span(0, 5), [Span(0, 5), Span(15, 20)]
    assert analysis.sentiment_of([apple, apple]) == analysis.sentiment_of([apple])
    expected = Sentiment.from_logits(analysis.token_logits[[0, 3]].mean(axis=0, dtype=np.float64).tolist())
    assert analysis.sentiment_of(both) == expected


async def test_a_span_that_was_cut_off_has_no_sentiment(analyzer: Analyzer) -> None:
    text = "apple " * 300
    (analysis,) = await analyzer.analyze([text])
    assert analysis.truncated
    assert analysis.sentiment_of([Span(len(text) - 6, len(text) - 1)]) is None
    assert analysis.sentiment_of([]) is None


async def test_combining_marks_behind_an_entity_belong_to_it(analyzer: Analyzer) -> None:
    (analysis,) = await analyzer.analyze(["🚀 Apple\u0302 soars"])
    assert analysis.entities == (Entity(Span(2, 8), EntityType.ORGANISATION),)


async def test_identical_texts_are_inferred_once(analyzer: Analyzer, backend: TroubledBackend) -> None:
    first, second, third = await analyzer.analyze(["Apple soars", "Nokia", "Apple soars"])
    assert first is third
    assert first is not second
    assert (await analyzer.analyze(["Apple soars"]))[0] is first
    assert backend.rows == 2


async def test_a_text_that_another_call_is_inferring_is_waited_for(
    analyzer: Analyzer, backend: TroubledBackend
) -> None:
    backend.open.clear()
    one = asyncio.create_task(analyzer.analyze(["Apple soars"]))
    other = asyncio.create_task(analyzer.analyze(["Apple soars", "Nokia"]))
    await asyncio.sleep(0.05)
    backend.open.set()
    assert (await one)[0] is (await other)[0]
    assert backend.rows == 2


async def test_without_a_cache_nothing_is_remembered(models: ModelPair, backend: TroubledBackend) -> None:
    analyzer = Analyzer(models, Encoder(models.sentiment.tokenizer, 256), backend, AnalysisCache(0))
    for _ in range(2):
        await analyzer.analyze(["Apple soars"])
    assert backend.rows == 2


async def test_a_failure_reaches_all_who_wait_and_the_next_call_succeeds(
    analyzer: Analyzer, backend: TroubledBackend
) -> None:
    backend.away_for_more_rows_than = 0
    backend.open.clear()
    calls = [asyncio.create_task(analyzer.analyze(["Apple soars"])) for _ in range(2)]
    await asyncio.sleep(0.05)
    backend.open.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    backend.away_for_more_rows_than = None
    assert (await analyzer.analyze(["Apple soars"]))[0].document.label == "positive"


async def test_what_was_inferred_before_a_failure_is_not_inferred_again(
    analyzer: Analyzer, backend: TroubledBackend
) -> None:
    texts = [f"apple {number}" for number in range(33)]
    backend.away_for_more_rows_than = 1
    with pytest.raises(Unavailable):
        await analyzer.analyze(texts)
    assert backend.rows == 1
    backend.away_for_more_rows_than = None
    await analyzer.analyze(texts)
    assert backend.rows == 33


async def test_a_cancelled_call_makes_those_who_wait_for_it_try_again(
    analyzer: Analyzer, backend: TroubledBackend
) -> None:
    backend.open.clear()
    one = asyncio.create_task(analyzer.analyze(["Apple soars"]))
    await asyncio.sleep(0.05)
    other = asyncio.create_task(analyzer.analyze(["Apple soars"]))
    await asyncio.sleep(0)
    one.cancel()
    with pytest.raises(Unavailable, match="cancelled"):
        await other
    backend.open.set()
    assert (await analyzer.analyze(["Apple soars"]))[0].document.label == "positive"


async def test_cancelling_one_who_waits_disturbs_nobody(analyzer: Analyzer, backend: TroubledBackend) -> None:
    backend.open.clear()
    one = asyncio.create_task(analyzer.analyze(["Apple soars"]))
    await asyncio.sleep(0.05)
    other = asyncio.create_task(analyzer.analyze(["Apple soars"]))
    await asyncio.sleep(0)
    other.cancel()
    backend.open.set()
    assert len(await one) == 1


@pytest.mark.parametrize(
    ("output", "spoil", "sentence"),
    [
        (DOCUMENT_LOGITS, lambda value: value * np.nan, "is not finite"),
        (TAG_LOGITS, lambda value: value + np.inf, "is not finite"),
        (DOCUMENT_LOGITS, lambda value: value[:, :2], "document_logits is float32"),
        (TAG_LOGITS, lambda value: value[:0], "tag_logits is float32"),
        (TAG_LOGITS, lambda value: value.astype(np.float64), "tag_logits is float64"),
    ],
)
async def test_nonsense_is_an_error_and_never_a_score(
    analyzer: Analyzer, backend: TroubledBackend, output: str, spoil: Any, sentence: str
) -> None:
    backend.spoil[output] = spoil
    for ask in (analyzer.analyze(["Apple soars"]), analyzer.health()):
        with pytest.raises(ContractError, match=sentence):
            await ask


async def test_infinite_padding_is_not_looked_at(analyzer: Analyzer, backend: TroubledBackend) -> None:
    def spoil_padding(value: NDArray[np.float32]) -> NDArray[np.float32]:
        spoilt = value.copy()
        spoilt[:, -1] = np.nan
        return spoilt

    backend.spoil[TAG_LOGITS] = spoil_padding
    assert (await analyzer.analyze(["Apple soars"]))[0].document.label == "positive"


async def test_health_is_never_answered_from_the_cache(analyzer: Analyzer, backend: TroubledBackend) -> None:
    for _ in range(2):
        await analyzer.health()
    assert backend.rows == 2


def analysis_of(tokens: int) -> Analysis:
    logits, edges = np.zeros((tokens, 3), dtype=np.float32), np.zeros((tokens, 2), dtype=np.int32)
    return Analysis(Sentiment(0.2, 0.6, 0.2), (), False, logits, edges)


def test_the_cache_forgets_the_least_recently_used() -> None:
    cache = AnalysisCache(2)
    digests = [text_digest(text) for text in "abc"]
    cache.put(digests[0], analysis_of(1))
    cache.put(digests[1], analysis_of(1))
    assert cache.get(digests[0]) is not None
    cache.put(digests[2], analysis_of(1))
    assert [cache.get(digest) is not None for digest in digests] == [True, False, True]


def test_long_texts_take_the_place_of_many() -> None:
    cache = AnalysisCache(100)
    for number in range(100):
        cache.put(text_digest(str(number)), analysis_of(254))
    assert len(cache) == 100 * 40 // 254
    cache.put(text_digest("99"), analysis_of(1))
    assert len(cache) == 100 * 40 // 254
