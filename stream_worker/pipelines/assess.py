"""A raw text → what finsentry says about it. The worker, `finsentry score` and every later job call this one code."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from stream_worker.domain.lanes import Lane
from stream_worker.domain.language import LanguageIdentifier
from stream_worker.domain.linking import Linker
from stream_worker.domain.mentions import Mention, Span
from stream_worker.domain.passages import article_of
from stream_worker.domain.relevance import relevances
from stream_worker.domain.sentiment import Sentiment
from stream_worker.domain.text import CleanText, clean
from stream_worker.inference.analyzer import Analyzer
from stream_worker.inference.reading import Reader, Reading
from stream_worker.metrics import stage


@dataclass(frozen=True, slots=True)
class Text:
    """A raw text, the day it is of, the language that its source declared, and spans of it whose sentiment is wanted
    besides.

    `body_start`: where the body begins that follows a title; None where there is one text.
    """

    raw: str
    day: date
    declared_language: str | None = None
    targets: tuple[Span, ...] = ()
    body_start: int | None = None


class AssessedMention(NamedTuple):
    """A mention, how much the text is about what it names, and how the text bears on it: None where it was not read
    that far."""

    mention: Mention
    relevance: float
    sentiment: Sentiment | None


class AssessedInstrument(NamedTuple):
    """How much a text is about an instrument, and how it bears on it."""

    relevance: float
    sentiment: Sentiment


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is said of one text; spans count code points of the raw text.

    Either `unscored_reason` is set, or `sentiment` is. `truncated`: the text goes on where reading ended. A target's
    sentiment is None behind that place. `instruments` has each instrument that is mentioned before it.
    `directory_version`: what it was linked with; '' where it was not.
    """

    language: str | None
    unscored_reason: str | None
    directory_version: str = ""
    sentiment: Sentiment | None = None
    truncated: bool = False
    mentions: tuple[AssessedMention, ...] = ()
    instruments: Mapping[str, AssessedInstrument] = field(default_factory=dict)
    targets: tuple[Sentiment | None, ...] = ()


class Assessor:
    """Cleans, identifies the language, infers and links, in that order."""

    def __init__(
        self, analyzer: Analyzer, linker: Callable[[], Linker], languages: LanguageIdentifier, lane: Lane
    ) -> None:
        """`linker` gives the one to link a batch with: the directory may change while the service runs."""
        self._lane = lane
        self._reader = Reader(analyzer)
        self.model_version = analyzer.model_version
        self._linker = linker
        self._languages = languages

    async def assess(self, texts: Sequence[Text]) -> list[Assessment]:
        """Assessments in the order of the texts. Raises what `Reader.read` raises."""
        with stage("clean", self._lane):
            cleaned = [clean(text.raw) for text in texts]
            languages = [
                self._languages.identify(c.text, text.declared_language) for c, text in zip(cleaned, texts, strict=True)
            ]
            known = [
                article_of(text.raw, c, text.body_start, language.code)
                for text, c, language in zip(texts, cleaned, languages, strict=True)
                if language.code is not None
            ]
        with stage("infer", self._lane):
            readings = iter(await self._reader.read(known))
        with stage("link", self._lane):
            linker = self._linker()
            return [
                _scored(linker, text, c, language.code, next(readings))
                if language.code is not None
                else Assessment(None, language.abstention)
                for text, c, language in zip(texts, cleaned, languages, strict=True)
            ]


def _scored(linker: Linker, text: Text, cleaned: CleanText, language: str, reading: Reading) -> Assessment:
    mentions = linker.link(cleaned.text, reading.entities, text.day)
    spans = [mention.span if cleaned.origin is None else cleaned.to_raw(mention.span) for mention in mentions]
    about = relevances(
        [(mention.instrument_id, span.start) for mention, span in zip(mentions, spans, strict=True)], text.body_start
    )
    assessed = tuple(
        AssessedMention(_in_raw(mention, span, text.raw), relevance, reading.sentiment_of([mention.span]))
        for mention, span, relevance in zip(mentions, spans, about, strict=True)
    )
    numbers: dict[str, list[int]] = {}
    for number, mention in enumerate(mentions):
        if mention.instrument_id is not None:
            numbers.setdefault(mention.instrument_id, []).append(number)
    instruments = {}
    for instrument, where in numbers.items():
        sentiment = assessed[where[0]].sentiment
        if len(where) > 1:
            sentiment = reading.sentiment_of([mentions[number].span for number in where])
        if sentiment is not None:
            instruments[instrument] = AssessedInstrument(max(about[number] for number in where), sentiment)
    return Assessment(
        language=language,
        unscored_reason=None,
        directory_version=linker.directory.version,
        sentiment=reading.document,
        truncated=reading.truncated,
        mentions=assessed,
        instruments=instruments,
        targets=tuple(reading.sentiment_of([cleaned.to_clean(target)]) for target in text.targets),
    )


def _in_raw(mention: Mention, span: Span, raw: str) -> Mention:
    """The mention in the raw text, where its words may be spelled otherwise."""
    if mention.span == span and mention.text == raw[span.start : span.end]:
        return mention
    return Mention(span, raw[span.start : span.end], mention.type, mention.instrument_id, mention.matched_by)
