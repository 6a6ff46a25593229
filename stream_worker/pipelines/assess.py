"""A raw text → what finsentry says about it. The worker, `finsentry score` and every later job call this one code."""

from collections.abc import Sequence
from dataclasses import dataclass

from stream_worker.domain.language import LanguageIdentifier
from stream_worker.domain.linking import Linker
from stream_worker.domain.mentions import Mention, Span
from stream_worker.domain.sentiment import Sentiment
from stream_worker.domain.text import CleanText, clean
from stream_worker.inference.analysis import Analysis
from stream_worker.inference.analyzer import Analyzer


@dataclass(frozen=True, slots=True)
class Text:
    """A raw text, the language that its source declared, and spans of it whose sentiment is wanted besides."""

    raw: str
    declared_language: str | None = None
    targets: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is said of one text; spans count code points of the raw text.

    Either `unscored_reason` is set, or `sentiment` is. A mention's or target's sentiment is None where the model did
    not read that far. `instruments` has one sentiment for each instrument that is mentioned where the model read.
    """

    language: str | None
    unscored_reason: str | None
    sentiment: Sentiment | None
    mentions: tuple[tuple[Mention, Sentiment | None], ...]
    instruments: dict[str, Sentiment]
    targets: tuple[Sentiment | None, ...]


class Assessor:
    """Cleans, identifies the language, infers and links, in that order."""

    def __init__(self, analyzer: Analyzer, linker: Linker, languages: LanguageIdentifier) -> None:
        self._analyzer = analyzer
        self._linker = linker
        self._languages = languages

    @property
    def model_version(self) -> str:
        """What scores."""
        return self._analyzer.model_version

    @property
    def directory_version(self) -> str:
        """What mentions are linked with."""
        return self._linker.directory.version

    async def assess(self, texts: Sequence[Text]) -> list[Assessment]:
        """Assessments in the order of the texts. Raises what `Analyzer.analyze` raises."""
        cleaned = [clean(text.raw) for text in texts]
        languages = [
            self._languages.identify(c.text, text.declared_language) for c, text in zip(cleaned, texts, strict=True)
        ]
        known = [c.text for c, language in zip(cleaned, languages, strict=True) if language.abstention is None]
        analyses = iter(await self._analyzer.analyze(known))
        return [
            self._scored(text, c, language.code, next(analyses))
            if language.abstention is None
            else Assessment(language.code, language.abstention, None, (), {}, ())
            for text, c, language in zip(texts, cleaned, languages, strict=True)
        ]

    def _scored(self, text: Text, cleaned: CleanText, language: str | None, analysis: Analysis) -> Assessment:
        mentions = self._linker.link(cleaned.text, analysis.entities)
        spans: dict[str, list[Span]] = {}
        for mention in mentions:
            if mention.instrument_id is not None:
                spans.setdefault(mention.instrument_id, []).append(mention.span)
        towards = {mention.span: analysis.sentiment_of([mention.span]) for mention in mentions}
        sentiments = {
            instrument: towards[where[0]] if len(where) == 1 else analysis.sentiment_of(where)
            for instrument, where in spans.items()
        }
        return Assessment(
            language=language,
            unscored_reason=None,
            sentiment=analysis.document,
            mentions=tuple((_raw(m, cleaned, text.raw), towards[m.span]) for m in mentions),
            instruments={instrument: found for instrument, found in sentiments.items() if found is not None},
            targets=tuple(analysis.sentiment_of([span]) for span in _to_clean(text.targets, cleaned)),
        )


def _raw(mention: Mention, cleaned: CleanText, raw: str) -> Mention:
    """The mention in the raw text, where its words may be spelled otherwise."""
    if cleaned.origin is None:
        return mention
    span = cleaned.to_raw(mention.span)
    return Mention(span, raw[span.start : span.end], mention.type, mention.instrument_id, mention.matched_by)


def _to_clean(targets: Sequence[Span], cleaned: CleanText) -> Sequence[Span]:
    """Spans of the raw text as spans of the clean text that was made of it."""
    origin = cleaned.origin
    if origin is None:
        return targets
    found = []
    for target in targets:
        inside = [i for i, raw in enumerate(origin) if target.start <= raw < target.end]
        found.append(Span(inside[0], inside[-1] + 1) if inside else Span(0, 0))
    return found
