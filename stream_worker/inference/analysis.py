"""What the models say about a text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_worker.domain.mentions import Entity, Span
from stream_worker.domain.sentiment import Sentiment


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """Sentiment and entities of one text; offsets are code points of that text.

    `truncated`: what lies beyond the model's longest input was not read.
    """

    document: Sentiment
    entities: tuple[Entity, ...]
    truncated: bool
    #: float32 [tokens, 3], without [CLS] and [SEP].
    token_logits: NDArray[np.float32]
    #: int32 [tokens, 2]: code points, end exclusive.
    token_edges: NDArray[np.int32]

    def sentiment_of(self, spans: Sequence[Span]) -> Sentiment | None:
        """How the text bears on what the spans name: softmax of the mean logits of all tokens that they touch.

        None where they touch no token (spans that were cut off, or hold white space only).
        """
        total, tokens = self.logits_of(spans)
        return Sentiment.from_logits((total / tokens).tolist()) if tokens else None

    def logits_of(self, spans: Sequence[Span]) -> tuple[NDArray[np.float64], int]:
        """The sum [3] of the logits of all tokens that the spans touch, and how many they are."""
        touched = np.zeros(len(self.token_edges), dtype=np.bool_)
        for span in spans:
            touched |= (self.token_edges[:, 0] < span.end) & (self.token_edges[:, 1] > span.start)
        return self.token_logits[touched].sum(axis=0, dtype=np.float64), int(np.count_nonzero(touched))
