"""Texts of any length: the analyses of a text's passages, put together."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from stream_worker.domain.mentions import Entity, Span, overlapping
from stream_worker.domain.passages import SPECIAL_TOKENS, Article, Passages, passages
from stream_worker.domain.relevance import prominence, weights
from stream_worker.domain.sentiment import Sentiment
from stream_worker.inference.analysis import Analysis
from stream_worker.inference.analyzer import Analyzer


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the models say about a text; offsets are code points of that text.

    `truncated`: what lies behind the last passage was not read.
    """

    document: Sentiment
    entities: tuple[Entity, ...]
    truncated: bool
    passages: tuple[Span, ...]
    #: Of the passages; each counts from the passage's start.
    analyses: tuple[Analysis, ...]
    body_start: int | None

    def sentiment_of(self, spans: Sequence[Span]) -> Sentiment | None:
        """How the text bears on what the spans name: softmax of the mean logits of all tokens that they touch, each
        weighed with the prominence of its passage. None where they touch no token that was read.
        """
        if len(self.passages) == 1:
            return self.analyses[0].sentiment_of(spans)
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

        Raises what `Analyzer.analyze` raises.
        """
        if all(article.is_short(self._longest) for article in articles):
            plans = self._plans(articles)
        else:
            plans = await asyncio.to_thread(self._plans, articles)
        texts = [
            article.text[span.start : span.end]
            for article, plan in zip(articles, plans, strict=True)
            for span in plan.spans
        ]
        analyses = iter(await self._analyzer.analyze(texts))
        return [
            _reading(article, plan, tuple(islice(analyses, len(plan.spans))))
            for article, plan in zip(articles, plans, strict=True)
        ]

    def _plans(self, articles: Sequence[Article]) -> list[Passages]:
        return [passages(article, self._word_starts, self._longest) for article in articles]


def _reading(article: Article, plan: Passages, analyses: tuple[Analysis, ...]) -> Reading:
    if len(analyses) == 1:
        (only,) = analyses
        document, entities = only.document, only.entities
    else:
        document = _document(article, plan, analyses)
        entities = tuple(
            Entity(_moved(entity.span, span.start), entity.type)
            for span, analysis in zip(plan.spans, analyses, strict=True)
            for entity in analysis.entities
        )
    truncated = plan.truncated or any(analysis.truncated for analysis in analyses)
    return Reading(document, entities, truncated, plan.spans, analyses, article.body_start)


def _document(article: Article, plan: Passages, analyses: Sequence[Analysis]) -> Sentiment:
    """See `domain.relevance.weights`; the network's mean counts the special tokens too."""
    sizes = [
        (span.start, len(analysis.token_edges) + SPECIAL_TOKENS)
        for span, analysis in zip(plan.spans, analyses, strict=True)
    ]
    return Sentiment.pooled([analysis.document for analysis in analyses], weights(sizes, article.body_start))


def _moved(span: Span, by: int) -> Span:
    return Span(span.start + by, span.end + by)
