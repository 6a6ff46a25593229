"""Which stretches of a text the models read, each for itself.

They were trained on headlines, tweets and single sentences. A text of one piece that fits their longest input is read
at once, as it was in training. An article (a title with a body, or a text that does not fit) is read sentence by
sentence: other sentences in the same input blur what one says about whom (ARCHITECTURE.md has the figures). Sentences
are found by sentencex; they also end with the title, a paragraph and a short line (a heading, an item of a list).
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from sentencex import get_sentence_boundaries

from stream_worker.domain.mentions import Span
from stream_worker.domain.text import CleanText

#: What is read of one text at most: 32 inputs of 256 tokens, some 6,000 words of English.
MAX_TOKENS = 8_192
#: Nor is more looked at than this; prose of that many tokens has half as many code points.
MAX_CODE_POINTS = 65_536
#: [CLS] and [SEP]: a passage takes so many tokens besides its own.
SPECIAL_TOKENS = 2

#: A line that ends before this one was not wrapped there, it was meant to end.
_BLOCK_END = re.compile(r"\n\s*\n|(?<![^\n]{40})\n")
#: Code points of a passage at most. The splitter gets no more at once: over some junk it takes quadratic time.
_LONGEST_PASSAGE = 4_096
_CLAUSE_END = re.compile(r"[,;:] ")

#: Texts → for each of their tokens the code point at which the token's word begins, ascending.
WordStarts = Callable[[Sequence[str]], Sequence[Sequence[int]]]


@dataclass(frozen=True, slots=True)
class Article:
    """A clean text with its layout. `body_start` is None where it has no title, or nothing but one."""

    text: str
    body_start: int | None = None
    #: Where blocks (the body, paragraphs, lines that stand alone) begin, ascending.
    blocks: tuple[int, ...] = ()
    language: str = "en"

    def is_short(self, longest: int) -> bool:
        """Whether it is one passage of at most `longest` tokens, without looking at its tokens."""
        return self.body_start is None and len(self.text) <= longest  # A token has at least one code point.


@dataclass(frozen=True, slots=True)
class Passages:
    """What is read of a text: in order, disjoint, with nothing but white space in between.

    `truncated`: the text goes on behind the last passage.
    """

    spans: tuple[Span, ...]
    truncated: bool


def article_of(raw: str, cleaned: CleanText, body_start: int | None, language: str) -> Article:
    """The article that a raw text is; `body_start` counts code points of the raw text."""
    if body_start is None and "\n" not in raw:
        return Article(cleaned.text, language=language)
    starts = {match.end() for match in _BLOCK_END.finditer(raw)} | ({body_start} if body_start is not None else set())
    blocks = sorted({cleaned.first_from(start) for start in starts})
    return Article(
        cleaned.text, None if body_start is None else cleaned.first_from(body_start), tuple(blocks), language
    )


def passages(article: Article, word_starts: WordStarts, longest: int) -> Passages:
    """The passages of an article, none of more than `longest` tokens (but a single word may have more); the same
    for the same text, always.

    A sentence of more tokens is cut behind a clause, else between words. Reading ends where the tokens of all passages,
    special ones included, would exceed `MAX_TOKENS`, and at `MAX_CODE_POINTS`.
    """
    if article.is_short(longest) or _fits(article, word_starts, longest):
        return Passages((Span(0, len(article.text)),), truncated=False)
    sentences = list(islice(_sentences(article), MAX_TOKENS // SPECIAL_TOKENS))
    tokens = word_starts([article.text[span.start : span.end] for span in sentences])
    spans: list[Span] = []
    left = MAX_TOKENS
    for sentence, starts in zip(sentences, tokens, strict=True):
        for span, count in _cut(article.text, sentence, starts, longest):
            left -= count + SPECIAL_TOKENS
            if left < 0:
                return Passages(tuple(spans), truncated=True)
            spans.append(span)
    return Passages(tuple(spans), truncated=spans[-1].end < len(article.text))


def _fits(article: Article, word_starts: WordStarts, longest: int) -> bool:
    if article.body_start is not None or len(article.text) > _LONGEST_PASSAGE:
        return False
    return len(word_starts([article.text])[0]) <= longest


def _sentences(article: Article) -> Iterator[Span]:
    end = min(len(article.text), MAX_CODE_POINTS)
    blocks = [start for start in article.blocks if 0 < start < end]
    for start, stop in pairwise([0, *blocks, end]):
        yield from _sentences_of_block(article, start, stop)


def _sentences_of_block(article: Article, start: int, stop: int) -> Iterator[Span]:
    text = article.text
    while start < stop:
        piece = text[start : min(start + _LONGEST_PASSAGE, stop)]
        ends = [boundary["end_index"] for boundary in get_sentence_boundaries(article.language, piece)][:-1]
        if start + len(piece) == stop:
            ends.append(len(piece))
        elif not ends:
            # A sentence that does not end within the piece, or one word.
            ends.append(piece.rfind(" ") + 1 or len(piece))
        for first, end in pairwise([0, *ends]):
            if sentence := _without_spaces(text, start + first, start + end):
                yield sentence
        start += ends[-1]


def _cut(text: str, sentence: Span, word_starts: Sequence[int], longest: int) -> Iterator[tuple[Span, int]]:
    """A sentence in pieces of at most `longest` tokens (or of one word), with how many they have."""
    start, first = sentence.start, 0
    while len(word_starts) - first > longest:
        stop = sentence.start + word_starts[first + longest]
        end = _last_edge(text, start, stop) if stop > start else _end_of_word(sentence, word_starts, start)
        behind = bisect_left(word_starts, end - sentence.start)
        if piece := _without_spaces(text, start, end):
            yield piece, behind - first
        start, first = end, behind
    if piece := _without_spaces(text, start, sentence.end):
        yield piece, len(word_starts) - first


def _last_edge(text: str, start: int, stop: int) -> int:
    """Where to cut at or before `stop`, where a word begins; not in the first half, so that there are few pieces."""
    middle = (start + stop) // 2
    clauses = [match.end() for match in _CLAUSE_END.finditer(text, middle, stop)]
    return clauses[-1] if clauses else text.rfind(" ", middle, stop) + 1 or stop


def _end_of_word(sentence: Span, word_starts: Sequence[int], start: int) -> int:
    following = bisect_right(word_starts, start - sentence.start)
    return sentence.start + word_starts[following] if following < len(word_starts) else sentence.end


def _without_spaces(text: str, start: int, end: int) -> Span | None:
    start += text.startswith(" ", start)
    end -= text.endswith(" ", start, end)
    return Span(start, end) if start < end else None
