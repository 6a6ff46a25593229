"""Sentiment: probabilities of negative, neutral and positive."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: The order of the classes in every model output, table and message.
LABELS = ("negative", "neutral", "positive")


@dataclass(frozen=True, slots=True)
class Sentiment:
    """Three probabilities that sum to one."""

    negative: float
    neutral: float
    positive: float

    @property
    def polarity(self) -> float:
        """P(positive) - P(negative), in [-1, 1]."""
        return self.positive - self.negative

    @property
    def label(self) -> str:
        """The most probable class."""
        probabilities = (self.negative, self.neutral, self.positive)
        return LABELS[probabilities.index(max(probabilities))]

    @classmethod
    def from_logits(cls, logits: Sequence[float]) -> "Sentiment":
        """Softmax of three logits in the order of `LABELS`.

        Raises ValueError when a logit is not finite or there are not three of them.
        """
        if len(logits) != len(LABELS) or not all(math.isfinite(logit) for logit in logits):
            raise ValueError(f"expected {len(LABELS)} finite logits, got {list(logits)}")
        largest = max(logits)
        weights = [math.exp(logit - largest) for logit in logits]
        total = sum(weights)
        return cls(*(weight / total for weight in weights))
