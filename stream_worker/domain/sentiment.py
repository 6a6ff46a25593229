"""Sentiment: probabilities of negative, neutral and positive."""

import math
import sys
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

    @classmethod
    def pooled(cls, sentiments: Sequence["Sentiment"], weights: Sequence[float]) -> "Sentiment":
        """The logarithmic opinion pool (Genest and Zidek 1986, Statistical Science 1:1): the normalised weighted
        geometric mean, which is the softmax of the weighted mean logits.

        Weights are not negative and need not add up to one. Raises ValueError where all of them are zero.
        """
        total = math.fsum(weights)
        if total <= 0:
            raise ValueError("opinions without weight cannot be pooled")
        return cls.from_logits(
            [
                math.fsum(
                    weight * math.log(max(getattr(sentiment, label), sys.float_info.min))
                    for sentiment, weight in zip(sentiments, weights, strict=True)
                )
                / total
                for label in LABELS
            ]
        )
