"""Tag logits → entity spans.

Each word is tagged at its first word piece. Among the tag sequences that are valid BIO (I-X only after B-X or I-X) the
one with the largest sum of logits is taken: the Viterbi path with transitions that are either free or forbidden.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_worker.domain.mentions import Entity, EntityType, Span
from stream_worker.inference.contract import TAGS
from stream_worker.inference.encoding import NO_WORD, Encodings

_TYPES = tuple(None if tag == "O" else EntityType(tag[2:]) for tag in TAGS)
_IS_BEGIN = np.array([tag.startswith("B-") for tag in TAGS])
_IS_INSIDE = np.array([tag.startswith("I-") for tag in TAGS])
#: [from, to]: whether a tag may follow another.
_MAY_FOLLOW = np.array([[not to.startswith("I-") or to[2:] == tag[2:] for to in TAGS] for tag in TAGS])
_FORBIDDEN = np.where(_MAY_FOLLOW, 0.0, -np.inf)
_OUTSIDE = TAGS.index("O")


@dataclass(frozen=True, slots=True)
class Words:
    """The words of several texts, end to end, in ascending order of text."""

    #: Number of the text that a word stands in.
    texts: NDArray[np.int64]
    #: Token (in the encodings) of a word's first piece.
    first_tokens: NDArray[np.int64]
    #: [words, 2]: code points, end exclusive.
    edges: NDArray[np.int32]


def words_of(encodings: Encodings) -> Words:
    """The tokenizer's own words. Every text begins and ends with a token of no word, which parts texts here."""
    words = encodings.words
    is_first = (words != NO_WORD) & (words != np.roll(words, 1))
    is_last = (words != NO_WORD) & (words != np.roll(words, -1))
    texts = np.repeat(np.arange(len(encodings.lengths)), encodings.lengths)
    edges = np.stack((encodings.edges[is_first, 0], encodings.edges[is_last, 1]), axis=1)
    return Words(texts[is_first], np.flatnonzero(is_first), edges)


def decode_entities(encodings: Encodings, tag_logits: NDArray[np.float32]) -> list[tuple[Entity, ...]]:
    """The entities of each text, in order and disjoint. `tag_logits` is [tokens, tags], in the order of `encodings`."""
    words = words_of(encodings)
    tags = best_tags(tag_logits[words.first_tokens], words.texts)
    found: list[list[Entity]] = [[] for _ in encodings.lengths]
    inside = _IS_INSIDE[tags]
    begins = np.flatnonzero(_IS_BEGIN[tags])
    # In valid BIO an I- always belongs to the entity before it, so that an entity ends where no I- follows.
    ends = np.flatnonzero((tags != _OUTSIDE) & ~np.append(inside[1:], False))
    rows = zip(
        words.texts[begins].tolist(),
        words.edges[begins, 0].tolist(),
        words.edges[ends, 1].tolist(),
        tags[begins].tolist(),
        strict=True,
    )
    for text, start, end, tag in rows:
        kind = _TYPES[tag]
        if kind is not None:
            found[text].append(Entity(Span(start, end), kind))
    return [tuple(entities) for entities in found]


def best_tags(logits: NDArray[np.float32], texts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The best valid tag of each word. `logits` is [words, tags]; `texts`, ascending, parts the words of texts."""
    tags: NDArray[np.int64] = logits.argmax(axis=1)
    starts_text = np.append(True, texts[1:] != texts[:-1])[: len(texts)]
    before = np.where(starts_text, _OUTSIDE, np.roll(tags, 1))
    # The unconstrained best is the best wherever it is valid; only texts where it is not need the search.
    broken = np.unique(texts[~_MAY_FOLLOW[before, tags]])
    if len(broken):
        searched = np.isin(texts, broken)
        counts = np.unique(texts[searched], return_counts=True)[1]
        tags[searched] = _viterbi(logits[searched], counts)
    return tags


def _viterbi(logits: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The best valid sequences of several texts, whose words stand end to end, `counts[i]` of text i."""
    is_word = np.arange(counts.max()) < counts[:, np.newaxis]
    # Words behind the end of a text cost nothing as O, so that they leave the best path as it is.
    padded = np.full((*is_word.shape, len(TAGS)), -np.inf)
    padded[:, :, _OUTSIDE] = 0.0
    padded[is_word] = logits
    score = padded[:, 0] + _FORBIDDEN[_OUTSIDE]
    came_from = []
    for word in range(1, padded.shape[1]):
        steps = score[:, :, np.newaxis] + _FORBIDDEN
        came_from.append(steps.argmax(axis=1))
        score = steps.max(axis=1) + padded[:, word]
    path = [score.argmax(axis=1)]
    for origins in reversed(came_from):
        path.append(np.take_along_axis(origins, path[-1][:, np.newaxis], axis=1)[:, 0])
    best: NDArray[np.int64] = np.stack(path[::-1], axis=1)[is_word]
    return best
