"""Figures that models are judged by; labels are class indices or names, probabilities rows of a matrix."""

from collections import Counter
from collections.abc import Hashable, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray


def accuracy(expected: Sequence[Hashable], predicted: Sequence[Hashable]) -> float:
    """Share of equal pairs; of an empty sequence, 0."""
    return sum(a == b for a, b in zip(expected, predicted, strict=True)) / max(len(expected), 1)


def macro_f1(expected: Sequence[Hashable], predicted: Sequence[Hashable]) -> float:
    """Mean over the expected classes of the harmonic mean of precision and recall."""
    right = Counter(a for a, b in zip(expected, predicted, strict=True) if a == b)
    present, claimed = Counter(expected), Counter(predicted)
    scores = [2 * right[label] / (present[label] + claimed[label]) for label in present]
    return sum(scores) / max(len(scores), 1)


def strict_f1(expected: Sequence[AbstractSet[Hashable]], predicted: Sequence[AbstractSet[Hashable]]) -> float:
    """Micro F1 of exact matches over texts, each a set of (start, end, type) or the like."""
    right = sum(len(a & b) for a, b in zip(expected, predicted, strict=True))
    total = sum(map(len, expected)) + sum(map(len, predicted))
    return 2 * right / total if total else 0.0


def calibration_error(probabilities: NDArray[np.floating], expected: Sequence[int], bins: int = 15) -> float:
    """Expected calibration error of the most probable class (Guo et al. 2017), over equally wide bins."""
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    correct = predicted == np.asarray(expected)
    bucket = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(correct[bucket == index].mean() - confidence[bucket == index].mean()) * (bucket == index).mean()
        for index in np.unique(bucket)
    ]
    return float(sum(gaps))


def bio_spans(tags: Sequence[str]) -> set[tuple[int, int, str]]:
    """(first, end, type) of the entities in a BIO sequence; an I- that continues nothing begins an entity."""
    spans: set[tuple[int, int, str]] = set()
    first, kind = 0, ""
    for index, tag in enumerate([*tags, "O"]):
        continues = tag.startswith("I-") and tag[2:] == kind
        if kind and not continues:
            spans.add((first, index, kind))
        if not continues:
            first, kind = index, tag[2:]
    return spans
