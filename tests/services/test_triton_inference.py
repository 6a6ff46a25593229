"""Triton and ONNX Runtime give the same analyses, and Triton's failures are told apart.

One suite runs over both backends; what follows it is about a server that goes away, comes back, or is half dead.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from stream_worker.domain.mentions import EntityType, Span
from stream_worker.domain.passages import article_of
from stream_worker.domain.sentiment import Sentiment
from stream_worker.domain.text import clean
from stream_worker.errors import ConfigurationError, ContractError, Unavailable
from stream_worker.inference.analysis import Analysis
from stream_worker.inference.analyzer import Analyzer
from stream_worker.inference.contract import SENTIMENT, read_pair
from stream_worker.inference.opening import open_onnx_analyzer
from stream_worker.inference.reading import Reader
from stream_worker.inference.triton import TritonBackend
from stream_worker.local.ports import Ports
from stream_worker.local.servers import Servers
from stream_worker.local.triton import Triton
from stream_worker.settings import REPOSITORY_ROOT, Settings
from tests.live_analyzer import open_analyzer
from tests.stub_models import NAMES, NEGATIVE, NEUTRAL, POSITIVE, write_stub_repository

#: Lengths from 2 to 256 tokens, with emoji, combining marks and text in no language the models know.
TEXTS = [
    "Apple soars as Nokia plunges",
    "Goldman Sachs cuts outlook for Hong Kong",
    "",
    "🚀 Tesla e\u0301 surges, Jane Doe says",
    "中文 market",
    *(" ".join((*NAMES, *POSITIVE, *NEGATIVE, *NEUTRAL)[first : first + first % 40]) for first in range(3, 90, 3)),
    "warns of losses " * 120,
]


@pytest.fixture
def inference_settings(triton_url: str, model_repository: Path) -> Settings:
    return Settings(triton_url=triton_url, model_repository=model_repository, prediction_cache=0)


@pytest.fixture(params=["triton", "onnx"])
async def analyzer(request: pytest.FixtureRequest, inference_settings: Settings) -> AsyncIterator[Analyzer]:
    opening = {"triton": open_analyzer, "onnx": open_onnx_analyzer}[request.param]
    async with opening(inference_settings) as analyzer:
        yield analyzer


def probabilities(sentiment: Sentiment) -> list[float]:
    return [sentiment.negative, sentiment.neutral, sentiment.positive]


def assert_same(one: Analysis, other: Analysis, tolerance: float) -> None:
    np.testing.assert_allclose(probabilities(one.document), probabilities(other.document), atol=tolerance)
    np.testing.assert_allclose(one.token_logits, other.token_logits, atol=tolerance)
    assert one.entities == other.entities
    assert one.truncated == other.truncated
    np.testing.assert_array_equal(one.token_edges, other.token_edges)


async def test_documents_mentions_and_entities_are_read(analyzer: Analyzer) -> None:
    (analysis,) = await analyzer.analyze(["🚀 Apple soars as Goldman Sachs plunges"])
    assert [(entity.span, entity.type) for entity in analysis.entities] == [
        (Span(2, 7), EntityType.ORGANISATION),
        (Span(17, 30), EntityType.ORGANISATION),
    ]
    apple, goldman = (analysis.sentiment_of([entity.span]) for entity in analysis.entities)
    assert apple is not None
    assert apple.label == "positive"
    assert goldman is not None
    assert goldman.label == "negative"


async def test_a_text_gets_the_same_answer_alone_and_in_any_batch(analyzer: Analyzer) -> None:
    together = await analyzer.analyze(TEXTS)
    for text, in_batch in zip(TEXTS, together, strict=True):
        (alone,) = await analyzer.analyze([text])
        assert_same(alone, in_batch, tolerance=1e-5)


async def test_an_article_is_read_the_same_alone_and_in_any_batch(analyzer: Analyzer) -> None:
    bodies = ["Nokia plunges " * 400, "🚀 wins. " * 200, "Goldman Sachs wins.\n\nBoeing said so", "x" * 5_000]
    raws = [f"{title}\n{body}" for title in ("Apple soars", "Update", "Fraud, fraud") for body in bodies]
    articles = [article_of(raw, clean(raw), raw.index("\n") + 1, "en") for raw in raws]
    reader = Reader(analyzer)
    for article, in_batch in zip(articles, await reader.read(articles), strict=True):
        (alone,) = await reader.read([article])
        assert alone.entities == in_batch.entities
        np.testing.assert_allclose(probabilities(alone.document), probabilities(in_batch.document), atol=1e-5)


async def test_many_calls_at_once_get_their_own_answers(analyzer: Analyzer) -> None:
    expected = await analyzer.analyze(TEXTS)
    answers = await asyncio.gather(*(analyzer.analyze([text, *TEXTS[:5]]) for text in TEXTS))
    for number, answer in enumerate(answers):
        assert_same(answer[0], expected[number], tolerance=1e-5)


async def test_it_is_healthy(analyzer: Analyzer) -> None:
    await analyzer.health()


async def test_it_names_what_scores(analyzer: Analyzer, model_repository: Path) -> None:
    assert analyzer.model_version == read_pair(model_repository).model_version


async def test_both_backends_agree(inference_settings: Settings) -> None:
    async with open_analyzer(inference_settings) as triton, open_onnx_analyzer(inference_settings) as onnx:
        pairs = zip(await triton.analyze(TEXTS), await onnx.analyze(TEXTS), strict=True)
    for through_triton, in_process in pairs:
        assert_same(through_triton, in_process, tolerance=1e-5)


async def test_a_triton_with_another_model_is_refused(inference_settings: Settings, tmp_path: Path) -> None:
    other = inference_settings.model_copy(update={"model_repository": write_stub_repository(tmp_path, seed=1)})
    with pytest.raises(ContractError, match=r"manifest_sha256\.1 says"):
        async with open_analyzer(other):
            pass


async def test_an_address_where_nobody_answers_is_unavailable_at_once(inference_settings: Settings) -> None:
    port = Ports.free().triton_port
    nobody = inference_settings.model_copy(update={"triton_url": f"127.0.0.1:{port}"})
    started = time.monotonic()
    with pytest.raises(Unavailable, match="did not answer"):
        async with open_analyzer(nobody):
            pass
    assert time.monotonic() - started < 6


async def test_without_an_address_the_settings_are_to_blame(inference_settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="FINSENTRY_TRITON_URL"):
        async with open_analyzer(inference_settings.model_copy(update={"triton_url": None})):
            pass


async def test_a_request_that_the_model_cannot_answer_is_no_matter_of_time(
    triton_url: str, model_repository: Path
) -> None:
    async with TritonBackend(triton_url, read_pair(model_repository), timeout_seconds=5) as backend:
        too_many_rows = np.ones((1000, 8), dtype=np.int64)
        with pytest.raises(ContractError, match="INVALID_ARGUMENT"):
            await backend.infer(SENTIMENT, too_many_rows, too_many_rows)


async def test_a_deadline_that_passes_is_unavailable(inference_settings: Settings, triton: Triton) -> None:
    impatient = inference_settings.model_copy(update={"inference_timeout_seconds": 0.5})
    async with open_analyzer(impatient) as analyzer:
        server = psutil.Process(triton.process.pid)
        server.suspend()
        try:
            with pytest.raises(Unavailable, match="DEADLINE_EXCEEDED"):
                await analyzer.analyze(TEXTS)
        finally:
            server.resume()
        assert len(await answer_within(analyzer, 2.0)) == len(TEXTS)


async def test_a_killed_triton_is_unavailable_and_back_within_two_seconds(
    inference_settings: Settings, triton: Triton
) -> None:
    async with open_analyzer(inference_settings) as analyzer:
        before = await analyzer.analyze(TEXTS)
        triton.kill()
        for _ in range(5):
            with pytest.raises(Unavailable, match="UNAVAILABLE"):
                await analyzer.analyze(TEXTS)
            with pytest.raises(Unavailable):
                await analyzer.health()
            await asyncio.sleep(0.2)
        triton.spawn()
        await asyncio.to_thread(triton.wait_ready)
        after = await answer_within(analyzer, 2.0)
    for one, other in zip(before, after, strict=True):
        assert_same(one, other, tolerance=0)


async def test_a_triton_that_comes_back_with_other_models_scores_nothing(
    tmp_path: Path,
) -> None:
    repository = write_stub_repository(tmp_path / "models")
    servers = Servers.at(tmp_path / "servers", Ports.free(), repository)
    triton = servers.triton
    triton.start()
    try:
        own = Settings(triton_url=triton.address, model_repository=repository, prediction_cache=0)
        async with open_analyzer(own) as analyzer:
            await analyzer.analyze(TEXTS)
            triton.kill()
            write_stub_repository(repository, seed=1)
            triton.spawn()
            await asyncio.to_thread(triton.wait_ready)
            # No request failed in between: only the lost connection can have told.
            with pytest.raises(ContractError, match="manifest"):
                await answer_within(analyzer, 2.0)
    finally:
        triton.stop()


async def test_a_dead_model_process_behind_a_ready_triton_is_found(
    inference_settings: Settings, triton: Triton
) -> None:
    async with open_analyzer(inference_settings) as analyzer:
        await analyzer.health()
        stubs = [
            child for child in psutil.Process(triton.process.pid).children() if "entities" in " ".join(child.cmdline())
        ]
        assert stubs
        for stub in stubs:
            stub.kill()
        try:
            assert triton.answers()
            with pytest.raises(Unavailable, match="entities"):
                await analyzer.health()
            with pytest.raises(Unavailable, match="entities"):
                await analyzer.analyze(TEXTS)
        finally:
            triton.stop()
            triton.spawn()
            await asyncio.to_thread(triton.wait_ready)
        await answer_within(analyzer, 2.0)
        await analyzer.health()


async def answer_within(analyzer: Analyzer, seconds: float) -> list[Analysis]:
    """Ask until there is an answer."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await analyzer.analyze(TEXTS)
        except Unavailable:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.02)


@pytest.mark.skipif(
    not (REPOSITORY_ROOT / "triton_models" / "repository" / "sentiment").is_dir(), reason="no trained models here"
)
async def test_the_trained_models_answer_the_same_alone_and_in_any_batch() -> None:
    headlines = [text for text in TEXTS if text]
    async with open_onnx_analyzer(Settings(prediction_cache=0)) as analyzer:
        together = await analyzer.analyze(headlines)
        for text, in_batch in zip(headlines, together, strict=True):
            (alone,) = await analyzer.analyze([text])
            np.testing.assert_allclose(probabilities(alone.document), probabilities(in_batch.document), atol=1e-3)
            assert alone.entities == in_batch.entities
