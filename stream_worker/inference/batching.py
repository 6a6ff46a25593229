"""Encodings → padded batches that one call to a model takes efficiently.

On a CPU a forward pass costs what its real tokens cost, and a little for the attention over its padded ones; from about
five hundred tokens on it gains nothing by more. So texts of like length share a batch. Lengths are rounded up to a few
buckets: few enough shapes that a Triton on a GPU can merge the requests of several workers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_worker.inference.contract import MAX_ROWS
from stream_worker.inference.encoding import Encodings

BUCKETS = (8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256)
MAX_PADDED_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Several texts as one rectangle. `texts[i]` is the number of row i's text in the encodings it was made of."""

    texts: NDArray[np.int64]
    encodings: Encodings
    #: int64 [rows, padded length], both.
    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]

    def real(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """[rows, padded length, n] without the padding: [tokens, n], in the order of `encodings`."""
        return values[self.attention_mask.astype(np.bool_)]


def batches_of(encodings: Encodings, max_padded_tokens: int = MAX_PADDED_TOKENS) -> Iterator[TokenBatch]:
    """All texts in batches, longest first, so that the dearest work starts first."""
    order = np.argsort(-encodings.lengths, kind="stable")
    start = 0
    while start < len(order):
        bucket = _bucket(int(encodings.lengths[order[start]]))
        rows = min(MAX_ROWS, max(1, max_padded_tokens // bucket))
        yield _padded(encodings, order[start : start + rows], bucket)
        start += rows


def _padded(encodings: Encodings, texts: NDArray[np.int64], length: int) -> TokenBatch:
    chosen = encodings.take(texts)
    is_real = np.arange(length) < chosen.lengths[:, np.newaxis]
    input_ids = np.zeros(is_real.shape, dtype=np.int64)
    input_ids[is_real] = chosen.ids
    return TokenBatch(texts, chosen, input_ids, is_real.astype(np.int64))


def _bucket(length: int) -> int:
    return next(bucket for bucket in BUCKETS if bucket >= length)
