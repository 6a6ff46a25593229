"""The bench measures what it says."""

from pathlib import Path

import numpy as np
import pytest

from bench.corpus import distinct_documents, long_stream
from bench.forward import Speed, forward_passes, token_batches
from bench.null_models import NullBackend, write_null_repository
from bench.processor_time import ProcessorSeconds
from bench.report import Results, lines
from bench.service import Latency, Memory, Throughput
from stream_worker.inference.contract import ENTITIES, SENTIMENT, read_pair
from stream_worker.inference.onnx import OnnxBackend
from stream_worker.settings import Settings


def test_the_corpus_has_distinct_texts_that_are_all_scored() -> None:
    corpus = distinct_documents(None, 200)
    assert len(corpus.lines) == len(corpus.texts) == len(set(corpus.texts)) == 200
    assert corpus == distinct_documents(None, 200)
    assert len(list(long_stream(None, 300))) == 300


async def test_null_models_answer_alike_in_triton_and_in_process(tmp_path: Path) -> None:
    repository = write_null_repository(tmp_path, Settings().model_repository)
    backend = OnnxBackend(read_pair(repository))
    ids = np.array([[101, 2054, 3000, 102], [101, 999, 102, 0]], dtype=np.int64)
    try:
        for model in (SENTIMENT, ENTITIES):
            served = await backend.infer(model, ids, np.ones_like(ids))
            here = await NullBackend().infer(model, ids, np.ones_like(ids))
            assert set(served) == set(here)
            for name, values in served.items():
                np.testing.assert_allclose(values, here[name], atol=1e-6)
    finally:
        backend.close()


async def test_forward_passes_count_every_document_but_those_of_the_first_batch(tmp_path: Path) -> None:
    models = read_pair(write_null_repository(tmp_path, Settings().model_repository))
    texts = distinct_documents(None, 300).texts
    chunks = token_batches(models, texts, Settings(batch_documents=64))
    speed = await forward_passes(NullBackend(), chunks, in_flight=3)
    assert speed.documents == 300 - 64
    assert speed.per_second > 0


def _results(service: float, naive: float, p99: float, growth: float) -> Results:
    cpu = ProcessorSeconds(worker=1.0, postgres=1.0, kafka=1.0, triton=1.0)
    return Results(
        origin="generated headlines",
        machine="a machine",
        forward_before=Speed(100, 90.0, 1.0),
        forward_after=Speed(100, 110.0, 1.0),
        triton=Speed(100, 80.0, 1.0),
        service=Throughput(1_000, service, cpu),
        naive=naive,
        latency=Latency(50.0, 100, 0.05, p99, 1.0),
        null_service=Throughput(4_000, 2_000.0, cpu),
        memory=Memory(1_000, 100 << 20, round((100 << 20) * (1 + growth)), 200 << 20),
        stage_micros={"clean": 10.0},
    )


@pytest.mark.parametrize(
    ("results", "missed"),
    [
        (_results(90.0, 25.0, 0.2, 0.01), 0),
        (_results(80.0, 25.0, 0.2, 0.01), 1),
        (_results(90.0, 40.0, 0.2, 0.01), 1),
        (_results(90.0, 25.0, 0.4, 0.01), 1),
        (_results(90.0, 25.0, 0.2, 0.06), 1),
        (_results(10.0, 25.0, 0.4, 0.06), 4),
    ],
)
def test_the_table_says_which_goals_are_missed(results: Results, missed: int) -> None:
    table = "\n".join(lines(results))
    assert table.count("MISSED") == missed
    assert table.count("reached") == 5 - missed
    assert "0.80 × (a)" in table
    assert "4,000/s a core" in table
    assert results.as_json()["service_to_naive"] == results.service.per_second / results.naive
