"""How far two ways of computing the same probabilities lie apart. Free of torch."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from stream_worker.inference.batching import BUCKETS

#: The largest difference that company or padding may make to a probability.
LIMIT_BY_BATCH = 1e-3

Probabilities = list[NDArray[np.float32]]
#: Input ids and attention mask, int64 [rows, tokens] both → all logits.
Forward = Callable[[NDArray[np.int64], NDArray[np.int64]], Sequence[NDArray[np.float32]]]


class OnnxModel:
    """A model file on one thread of this machine; every row's probabilities, one array an output."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def probabilities(self, rows: Sequence[Sequence[int]], length: int | None = None) -> list[Probabilities]:
        """See `probabilities`."""
        return probabilities(self._forward, rows, length)

    def _forward(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Sequence[NDArray[np.float32]]:
        logits: Sequence[NDArray[np.float32]] = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        return logits


def probabilities(forward: Forward, rows: Sequence[Sequence[int]], length: int | None = None) -> list[Probabilities]:
    """One list of arrays a row of token ids, padded to `length` (else to the longest), padding cut off again."""
    padded = length or max(map(len, rows))
    ids = np.zeros((len(rows), padded), dtype=np.int64)
    mask = np.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)], mask[index, : len(row)] = row, 1
    outputs = [softmax(logits) for logits in forward(ids, mask)]
    return [
        [output[index] if output.ndim == 2 else output[index, : len(row)] for output in outputs]
        for index, row in enumerate(rows)
    ]


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Over the last axis."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def largest_difference(left: Sequence[Probabilities], right: Sequence[Probabilities]) -> float:
    """The largest difference of any probability."""
    return max(
        float(np.abs(a - b).max())
        for one, other in zip(left, right, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def mean_difference(left: Sequence[Probabilities], right: Sequence[Probabilities]) -> float:
    """The mean over outputs' rows (texts or tokens) of the largest difference in the row."""
    gaps = [
        np.abs(a - b).max(axis=-1).ravel()
        for one, other in zip(left, right, strict=True)
        for a, b in zip(one, other, strict=True)
    ]
    return float(np.concatenate(gaps).mean())


def batch_variance(model: OnnxModel, rows: Sequence[Sequence[int]]) -> float:
    """The largest difference that company or padding makes to any probability of any row."""
    alone = [model.probabilities([row])[0] for row in rows]
    differences = [largest_difference(alone, model.probabilities(rows))]
    for bucket in BUCKETS:
        fitting = [index for index, row in enumerate(rows) if len(row) <= bucket]
        if fitting:
            together = model.probabilities([rows[index] for index in fitting], bucket)
            differences.append(largest_difference([alone[index] for index in fitting], together))
            single = model.probabilities([rows[fitting[0]]], bucket)
            differences.append(largest_difference([alone[fitting[0]]], single))
    return max(differences)
