"""Texts of any length: the analyses of a text's passages, put together."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np

from stream_worker.domain.mentions import Entity, Span, overlapping
from stream_worker.domain.passages import SPECIAL_TOKENS, Article, Passages, passages
from stream_worker.domain.relevance import prominence, weights
from stream_worker.domain.sentiment import Sentiment
from stream_worker.inference.analysis import Analysis
from stream_worker.inference.analyzer import Analyzer


class Reading(Protocol):
    """What the models say about a text; offsets are code points of that text."""

    @property
    def document(self) -> Sentiment:
        """Of the text as a whole."""
        ...

    @property
    def entities(self) -> tuple[Entity, ...]:
        """In order and disjoint."""
        ...

    @property
    def truncated(self) -> bool:
        """Whether the text goes on where reading ended."""
        ...

    def sentiment_of(self, spans: Sequence[Span]) -> Sentiment | None:
        """How the text bears on what the spans name; None where they touch no token that was read."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ArticleReading:
    """The reading of a text of several passages, put together by `domain.relevance`."""

    document: Sentiment
    entities: tuple[Entity, ...]
    truncated: bool
    passages: tuple[Span, ...]
    #: Of the passages; each counts from the passage's start.
    analyses: tuple[Analysis, ...]
    body_start: int | None

    def sentiment_of(self, spans: Sequence[Span]) -> Sentiment | None:
        """Softmax of the mean logits of all tokens that the spans touch, each weighed with the prominence of its
        passage.
        """
        total, weight = np.zeros(3), 0.0
        for number, inside in self._by_passage(spans).items():
            logits, tokens = self.analyses[number].logits_of(inside)
            prominent = prominence(self.passages[number].start, self.body_start)
            total += prominent * logits
            weight += prominent * tokens
        return Sentiment.from_logits((total / weight).tolist()) if weight else None

    def _by_passage(self, spans: Sequence[Span]) -> dict[int, list[Span]]:
        """The spans that reach into a passage, counted from its start, under the passage's number."""
        found: dict[int, list[Span]] = {}
        for span in spans:
            for number in overlapping(self.passages, span):
                found.setdefault(number, []).append(_moved(span, -self.passages[number].start))
        return found


class Reader:
    """Reads texts through an analyzer, passage by passage. For one event loop."""

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._word_starts = analyzer.encoder.word_starts
        self._longest = analyzer.encoder.max_tokens - SPECIAL_TOKENS

    async def read(self, articles: Sequence[Article]) -> list[Reading]:
        """The readings of articles, in their order; none depends on the others.

        What is read at once is what `Analyzer.analyze` says of it. Raises what that raises.
        """
        long = [article for article in articles if not article.is_short(self._longest)]
        planned = iter(await asyncio.to_thread(self._plans, long) if long else ())
        plans = [None if article.is_short(self._longest) else next(planned) for article in articles]
        texts = [
            text for article, plan in zip(articles, plans, strict=True) for text in _texts_of_passages(article, plan)
        ]
        analyses = iter(await self._analyzer.analyze(texts))
        return [
            next(analyses) if plan is None else _reading(article, plan, tuple(islice(analyses, len(plan.spans))))
            for article, plan in zip(articles, plans, strict=True)
        ]

    def _plans(self, articles: Sequence[Article]) -> list[Passages]:
        return [passages(article, self._word_starts, self._longest) for article in articles]


def _texts_of_passages(article: Article, plan: Passages | None) -> Sequence[str]:
    if plan is None:
        return (article.text,)
    return [article.text[span.start : span.end] for span in plan.spans]


def _reading(article: Article, plan: Passages, analyses: tuple[Analysis, ...]) -> Reading:
    if plan.spans == (Span(0, len(article.text)),):
        return analyses[0]
    entities = tuple(
        Entity(_moved(entity.span, span.start), entity.type)
        for span, analysis in zip(plan.spans, analyses, strict=True)
        for entity in analysis.entities
    )
    truncated = plan.truncated or any(analysis.truncated for analysis in analyses)
    document = _document(article, plan, analyses)
    return ArticleReading(document, entities, truncated, plan.spans, analyses, article.body_start)


def _document(article: Article, plan: Passages, analyses: Sequence[Analysis]) -> Sentiment:
    """See `domain.relevance.weights`; the network's mean counts the special tokens too."""
    sizes = [
        (span.start, len(analysis.token_edges) + SPECIAL_TOKENS)
        for span, analysis in zip(plan.spans, analyses, strict=True)
    ]
    return Sentiment.pooled([analysis.document for analysis in analyses], weights(sizes, article.body_start))


def _moved(span: Span, by: int) -> Span:
    return Span(span.start + by, span.end + by)
