"""Models that cost nothing: the contract and the tokenizer of the real ones, answers read from a table by token id.

About one token in twelve begins an organisation, so that linking and the database have as much to do as after the real
models.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from stream_worker.domain.sentiment import LABELS
from stream_worker.inference.contract import DOCUMENT_LOGITS, ENTITIES, SENTIMENT, TAG_LOGITS, TAGS, TOKEN_LOGITS
from tests.stub_models import write_model

_VOCABULARY = 30_522
_ENTITY_SHARE = 1 / 12
_LOGIT = 8.0


def write_null_repository(path: Path, real: Path) -> Path:
    """Write the models under `path`, with the tokenizer of the model repository `real`; returns `path`."""
    tokenizer = next((real / SENTIMENT).glob("*/tokenizer.json")).read_bytes()
    sentiment, tags = tables()
    outputs: dict[str, tuple[str | int, ...]] = {DOCUMENT_LOGITS: ("batch", 3), TOKEN_LOGITS: ("batch", "tokens", 3)}
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], [TOKEN_LOGITS]),
        helper.make_node("ReduceMean", [TOKEN_LOGITS], [DOCUMENT_LOGITS], axes=[1], keepdims=0),
    ]
    write_model(path / SENTIMENT, _graph(nodes, sentiment, outputs), tokenizer, LABELS, 0)
    nodes = [helper.make_node("Gather", ["table", "input_ids"], [TAG_LOGITS])]
    tag_graph = _graph(nodes, tags, {TAG_LOGITS: ("batch", "tokens", len(TAGS))})
    write_model(path / ENTITIES, tag_graph, tokenizer, TAGS, 0)
    return path


class NullBackend:
    """The same answers in this process."""

    def __init__(self) -> None:
        self._sentiment, self._tags = tables()

    async def infer(
        self, model: str, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> Mapping[str, NDArray[Any]]:
        """See `stream_worker.inference.backend.Backend`."""
        if model == ENTITIES:
            return {TAG_LOGITS: self._tags[input_ids]}
        tokens = self._sentiment[input_ids]
        return {TOKEN_LOGITS: tokens, DOCUMENT_LOGITS: tokens.mean(axis=1)}

    async def check(self) -> None:
        """Nothing to ask."""


def tables() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sentiment logits [vocabulary, 3] and tag logits [vocabulary, 7]."""
    rng = np.random.default_rng(0)
    sentiment = rng.normal(0.0, 1.0, (_VOCABULARY, len(LABELS))).astype(np.float32)
    tags = np.zeros((_VOCABULARY, len(TAGS)), dtype=np.float32)
    begins = rng.random(_VOCABULARY) < _ENTITY_SHARE
    tags[np.arange(_VOCABULARY), np.where(begins, TAGS.index("B-ORG"), TAGS.index("O"))] = _LOGIT
    return sentiment, tags


def _graph(
    nodes: list[onnx.NodeProto], table: NDArray[np.float32], outputs: Mapping[str, tuple[str | int, ...]]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "null",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(table, "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model
