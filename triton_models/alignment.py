"""Labels of characters → labels of tokens, cut exactly as the service cuts text.

The service reads entity tags at the first word piece of each of the tokenizer's own words, so a data set's token that
the tokenizer cuts further ("A-Z" → A, -, Z) passes its tag on to every part.
"""

from collections.abc import Sequence
from typing import Protocol

from stream_worker.domain.mentions import Span
from stream_worker.domain.text import CleanText

#: The label of tokens that no loss counts.
IGNORED = -100


class Encoding(Protocol):
    """What this module reads of a `tokenizers.Encoding`."""

    @property
    def offsets(self) -> list[tuple[int, int]]: ...

    @property
    def word_ids(self) -> list[int | None]: ...


def to_clean(span: Span, text: CleanText) -> Span | None:
    """The span of the clean text that a raw span became; None where cleaning left nothing of it."""
    clean = text.to_clean(span)
    return clean if clean.start < clean.end else None


def tokens_of(span: Span, encoding: Encoding) -> tuple[int, int] | None:
    """First and last-but-one index of the tokens that share a character with the span; None where none does."""
    touched = [
        index
        for index, (start, end) in enumerate(encoding.offsets)
        if start < span.end and span.start < end and encoding.word_ids[index] is not None
    ]
    return (touched[0], touched[-1] + 1) if touched else None


def first_pieces(encoding: Encoding) -> list[int]:
    """Indices of the first word piece of each word."""
    words = encoding.word_ids
    return [index for index, word in enumerate(words) if word is not None and (not index or words[index - 1] != word)]


def word_tags(encoding: Encoding, spans: Sequence[Span | None], tags: Sequence[str]) -> dict[int, str]:
    """One BIO tag for each first word piece that lies in one of the ascending `spans`, keyed by token index.

    What comes out is valid BIO even where the data set's tags are not: an I- that continues nothing becomes a B-.
    """
    found: dict[int, str] = {}
    token, tagged_token, previous = 0, -1, "O"
    for index in first_pieces(encoding):
        start = encoding.offsets[index][0]
        token = _advance(token, start, spans)
        if token == len(spans):
            break
        span = spans[token]
        if span is None or start < span.start:
            continue
        tag = tags[token]
        inside = tag != "O" and (token == tagged_token or tag.startswith("I-")) and previous[1:] == tag[1:]
        found[index] = previous = f"I{tag[1:]}" if inside else tag.replace("I-", "B-")
        tagged_token = token
    return found


def _advance(token: int, start: int, spans: Sequence[Span | None]) -> int:
    while token < len(spans):
        span = spans[token]
        if span is not None and start < span.end:
            break
        token += 1
    return token
