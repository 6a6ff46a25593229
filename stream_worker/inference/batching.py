"""Encodings → padded batches that one call to a model takes efficiently.

On a CPU a forward pass costs what its padded tokens cost, plus a little for each pass. So texts of like length share a
batch, where the padding that this spares costs more than another pass; and lengths are rounded up to a few buckets:
finely, because padding is paid for, but to few enough shapes that Triton can merge the requests of several workers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_worker.inference.contract import MAX_ROWS
from stream_worker.inference.encoding import Encodings

BUCKETS = (8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256)
MAX_PADDED_TOKENS = 1024
#: What a pass costs besides its padded tokens, in tokens (1.1 ms against 0.098 ms a token, MiniLM-L6 on one core).
PASS_COST_TOKENS = 20


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


def batches_of(encodings: Encodings) -> Iterator[TokenBatch]:
    """All texts in batches, longest first, so that the dearest work starts first."""
    order = np.argsort(-encodings.lengths, kind="stable")
    buckets = np.searchsorted(BUCKETS, encodings.lengths[order])
    counts = [(BUCKETS[bucket], count) for bucket, count in zip(*np.unique(buckets, return_counts=True), strict=True)]
    start = 0
    for bucket, texts in _groups([(bucket, int(count)) for bucket, count in reversed(counts)]):
        rows = min(MAX_ROWS, max(1, MAX_PADDED_TOKENS // bucket))
        for first in range(start, start + texts, rows):
            yield _padded(encodings, order[first : min(first + rows, start + texts)], bucket)
        start += texts


def _groups(counts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The cheapest way to share buckets: (bucket, texts padded to it) of each group.

    `counts` are (bucket, texts), longest bucket first; a group takes neighbours and pads them to its longest.
    """
    cheapest: list[tuple[int, list[tuple[int, int]]]] = [(0, [])]
    for end in range(1, len(counts) + 1):
        ways = []
        texts = 0
        for start in range(end - 1, -1, -1):
            bucket, count = counts[start]
            texts += count
            rows = min(MAX_ROWS, max(1, MAX_PADDED_TOKENS // bucket))
            cost, groups = cheapest[start]
            ways.append((cost + texts * bucket + PASS_COST_TOKENS * -(-texts // rows), groups, (bucket, texts)))
        cost, groups, last = min(ways, key=lambda way: way[0])
        cheapest.append((cost, [*groups, last]))
    return cheapest[-1][1]


def _padded(encodings: Encodings, texts: NDArray[np.int64], length: int) -> TokenBatch:
    chosen = encodings.take(texts)
    is_real = np.arange(length) < chosen.lengths[:, np.newaxis]
    input_ids = np.zeros(is_real.shape, dtype=np.int64)
    input_ids[is_real] = chosen.ids
    return TokenBatch(texts, chosen, input_ids, is_real.astype(np.int64))
