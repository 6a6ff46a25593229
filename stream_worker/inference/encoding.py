"""Texts → tokens, with the way back to code points. No padding: that belongs to the batches (`batching`)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from stream_worker.errors import ContractError

#: Code points of a text that are read at all: far more than `max_tokens` of any prose, and a bound on the cost of junk.
READ_CODE_POINTS = 16_384
#: Word number of [CLS] and [SEP].
NO_WORD = -1
_SURROGATES = "a text with lone surrogates cannot be encoded"


@dataclass(frozen=True, slots=True)
class Encodings:
    """Tokens of several texts, end to end. Text i has the tokens `splits[i]` to `splits[i + 1]`."""

    ids: NDArray[np.int64]
    #: [tokens, 2]: first code point, and the one after the last; 0, 0 for [CLS] and [SEP].
    edges: NDArray[np.int32]
    #: Number of the word that a token belongs to, in its text; `NO_WORD` for [CLS] and [SEP].
    words: NDArray[np.int32]
    splits: NDArray[np.int64]
    truncated: NDArray[np.bool_]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text, [CLS] and [SEP] included."""
        return np.diff(self.splits)

    def take(self, texts: NDArray[np.int64]) -> "Encodings":
        """The encodings of some of the texts, in the order given."""
        lengths = self.lengths[texts]
        splits = _splits(lengths)
        tokens = np.repeat(self.splits[texts] - splits[:-1], lengths) + np.arange(splits[-1])
        return Encodings(self.ids[tokens], self.edges[tokens], self.words[tokens], splits, self.truncated[texts])


class Encoder:
    """A BERT-like tokenizer. Safe to call from several threads."""

    def __init__(self, tokenizer_file: Path, max_tokens: int) -> None:
        # Workers scale by processes, and the models need the cores; the library reads this at each call.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        self.max_tokens = max_tokens
        self._counting = Tokenizer.from_file(str(tokenizer_file))
        self._counting.no_padding()
        self._counting.no_truncation()
        self._tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        if self._tokenizer.encode("a").word_ids[::2] != [None, None]:
            raise ContractError(f"{tokenizer_file} does not put [CLS] before and [SEP] after a text: export it again.")

    def encode(self, texts: Sequence[str]) -> Encodings:
        """Tokenize texts; what lies beyond max_tokens or `READ_CODE_POINTS` is left out and marked as truncated.

        Raises ValueError for a text with lone surrogates.
        """
        try:
            encoded = self._tokenizer.encode_batch([text[:READ_CODE_POINTS] for text in texts])
        except (TypeError, UnicodeEncodeError):
            raise ValueError(_SURROGATES) from None
        ids = [encoding.ids for encoding in encoded]
        words = [NO_WORD if word is None else word for encoding in encoded for word in encoding.word_ids]
        offsets = chain.from_iterable(chain.from_iterable(encoding.offsets for encoding in encoded))
        return Encodings(
            ids=np.fromiter(chain.from_iterable(ids), dtype=np.int64),
            edges=np.fromiter(offsets, dtype=np.int32).reshape(-1, 2),
            words=np.array(words, dtype=np.int32),
            splits=_splits(np.array([len(row) for row in ids], dtype=np.int64)),
            truncated=np.array(
                [
                    bool(encoding.overflowing) or len(text) > READ_CODE_POINTS
                    for encoding, text in zip(encoded, texts, strict=True)
                ],
                dtype=np.bool_,
            ),
        )

    def word_starts(self, texts: Sequence[str]) -> list[list[int]]:
        """For each token of each whole text, however long, the code point at which its word begins, ascending.

        Without [CLS] and [SEP]. A text that is cut where a word begins has the same tokens as the whole.
        Raises ValueError for a text with lone surrogates.
        """
        try:
            encoded = self._counting.encode_batch(texts, add_special_tokens=False)
        except (TypeError, UnicodeEncodeError):
            raise ValueError(_SURROGATES) from None
        return [_word_starts(encoding.offsets, encoding.word_ids) for encoding in encoded]


def _word_starts(offsets: Sequence[tuple[int, int]], words: Sequence[int | None]) -> list[int]:
    starts: list[int] = []
    previous: int | None = -1
    for (start, _), word in zip(offsets, words, strict=True):
        starts.append(start if word != previous else starts[-1])
        previous = word
    return starts


def _splits(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)))
