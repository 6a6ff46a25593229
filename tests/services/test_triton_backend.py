"""The CPU backend inside Triton: what it merges, what it refuses to send."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tritonclient.grpc import service_pb2, service_pb2_grpc

from stream_worker.errors import ContractError, ServerFailed
from stream_worker.inference.contract import ENTITIES, SENTIMENT, TAG_LOGITS, read_pair
from stream_worker.inference.onnx import OnnxBackend
from stream_worker.inference.triton import TritonBackend
from stream_worker.local.ports import Ports
from stream_worker.local.servers import Servers
from stream_worker.local.triton import Triton
from stream_worker.settings import Settings
from tests.live_analyzer import open_analyzer
from tests.stub_models import SENTIMENT_LABELS, sentiment_graph, write_model, write_stub_repository


@contextmanager
def serving(home: Path, repository: Path) -> Iterator[Triton]:
    triton = Servers.at(home, Ports.free(), repository).triton
    triton.start()
    try:
        yield triton
    finally:
        triton.stop()


def executions(triton: Triton, model: str) -> tuple[int, int]:
    """Requests answered, and forward passes that it took."""
    with grpc.insecure_channel(triton.address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        (statistics,) = stub.ModelStatistics(service_pb2.ModelStatisticsRequest(name=model)).model_stats
    return statistics.inference_stats.success.count, statistics.execution_count


@pytest.mark.parametrize("lengths", [(16,) * 12, (8, 16, 24, 8, 32, 12, 16, 40, 8, 24, 16, 64)])
async def test_requests_that_arrive_together_share_a_forward_pass(tmp_path: Path, lengths: tuple[int, ...]) -> None:
    repository = write_stub_repository(tmp_path / "models")
    config = repository / ENTITIES / "configs" / "cpu.pbtxt"
    ragged = config.read_text().replace("dims: [-1] }", "dims: [-1] allow_ragged_batch: true }")
    config.write_text(ragged + "dynamic_batching { max_queue_delay_microseconds: 200000 }\n")
    random = np.random.default_rng(0)
    requests = [random.integers(5, 100, (1 + row % 3, length)) for row, length in enumerate(lengths)]
    models = read_pair(repository)
    in_process = OnnxBackend(models, threads=1)
    with serving(tmp_path / "servers", repository) as triton:
        async with TritonBackend(triton.address, models, timeout_seconds=10) as backend:
            answers = await asyncio.gather(
                *(backend.infer(ENTITIES, input_ids, np.ones_like(input_ids)) for input_ids in requests)
            )
            answered, passes = executions(triton, ENTITIES)
    assert answered == len(requests)
    assert passes < answered
    for input_ids, answer in zip(requests, answers, strict=True):
        expected = await in_process.infer(ENTITIES, input_ids, np.ones_like(input_ids))
        np.testing.assert_allclose(answer[TAG_LOGITS], expected[TAG_LOGITS], atol=1e-5)
    in_process.close()


async def test_weights_that_give_nan_score_nothing(tmp_path: Path) -> None:
    repository = write_stub_repository(tmp_path / "models")
    graph = sentiment_graph()
    (table,) = (value for value in graph.graph.initializer if value.name == "table")
    table.CopyFrom(numpy_helper.from_array(np.full_like(numpy_helper.to_array(table), np.nan), "table"))
    tokenizer = (repository / SENTIMENT / "1" / "tokenizer.json").read_bytes()
    write_model(repository / SENTIMENT, graph, tokenizer, SENTIMENT_LABELS, seed=0)
    with serving(tmp_path / "servers", repository) as triton:
        settings = Settings(triton_url=triton.address, model_repository=repository)
        async with open_analyzer(settings) as analyzer:
            with pytest.raises(ContractError, match="not finite"):
                await analyzer.analyze(["Apple soars"])
            with pytest.raises(ContractError, match="not finite"):
                await analyzer.health()


def test_a_configuration_that_promises_an_output_which_the_file_lacks_is_refused(tmp_path: Path) -> None:
    repository = write_stub_repository(tmp_path / "models")
    weights = repository / ENTITIES / "1" / "model.onnx"
    model = onnx.load(weights)
    model.graph.output[0].name = "other"
    model.graph.node[-1].output[0] = "other"
    onnx.save(model, weights)
    with pytest.raises(ServerFailed), serving(tmp_path / "servers", repository):
        pass
