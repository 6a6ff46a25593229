"""Analyses of texts seen lately, under a digest of the text."""

import hashlib
from collections import OrderedDict

from stream_worker.inference.analysis import Analysis

#: What an entry is expected to hold at most on average; texts are longer only where they are not headlines.
_TOKENS_PER_ENTRY = 40


def text_digest(text: str) -> bytes:
    """16 bytes that stand for the text. Lone surrogates are allowed."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class AnalysisCache:
    """The least recently used goes first, when there are more than `entries` texts or 40 × `entries` tokens."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._tokens_left = entries * _TOKENS_PER_ENTRY
        self._analyses: OrderedDict[bytes, Analysis] = OrderedDict()

    def __len__(self) -> int:
        return len(self._analyses)

    def get(self, digest: bytes) -> Analysis | None:
        """The analysis under a digest, which counts as used now."""
        analysis = self._analyses.get(digest)
        if analysis is not None:
            self._analyses.move_to_end(digest)
        return analysis

    def put(self, digest: bytes, analysis: Analysis) -> None:
        """Remember an analysis."""
        previous = self._analyses.pop(digest, None)
        self._tokens_left += _tokens(previous) - _tokens(analysis)
        self._analyses[digest] = analysis
        while self._analyses and (len(self._analyses) > self._entries or self._tokens_left < 0):
            self._tokens_left += _tokens(self._analyses.popitem(last=False)[1])


def _tokens(analysis: Analysis | None) -> int:
    return 0 if analysis is None else len(analysis.token_edges)
