"""Which instruments a text names, and where. Precision comes before recall.

Three things name an instrument: its ticker ($AAPL, NASDAQ:AAPL), an alias, and an organisation that the entity model
finds under one of its aliases. Aliases are searched all at once (Aho and Corasick 1975). What an alias can mean is
decided by the day of the text, by what else the text names, by the directory's words of context, and, where it is a
word like another, by the words next to it or the entity model.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import NamedTuple

import ahocorasick

from stream_worker.domain.instruments import Care, Directory, Instrument, Kind, Validity
from stream_worker.domain.mentions import Entity, EntityType, MatchedBy, Mention, Span, overlapping
from stream_worker.domain.surroundings import (
    addresses,
    is_amount,
    is_of_markets,
    is_source,
    is_sport,
    is_title_case,
    is_where,
    slug_end,
    stands_alone,
)

_TICKER = r"[A-Za-z]{1,6}(?:[.\-][A-Za-z]{1,2})?|[A-Za-z]{1,5}_[A-Za-z]"
_CASHTAG = re.compile(rf"(?<![\w$#])\$({_TICKER})(?!\w)")
_LISTED = re.compile(r"\b(?:NASDAQ|NYSE|NYSEARCA|AMEX|NYSE MKT|OTCBB|OTCMKTS)\s?:\s?([A-Z]{1,5}(?:\.[A-Z])?)(?![\w.])")
_BESIDE_A_NAME = re.compile(r"(?<!\w)(?:#([A-Za-z]{2,5})(?!\w)|\(([A-Z]{1,5})\))")
_LEGAL_FORM = re.compile(
    r"(?:,? (?:incorporated|inc|corporation|corp|company|co|plc|limited|ltd|llc|group|holdings?"
    r"|ag|sa|se|nv|spa|oyj|asa|ab)\.?)+$"
)
_POSSESSIVE = ("'s", "’s")
#: What the entity model calls an organisation, where it does not mean a maker or publisher of that name.
_ORGANISATIONS = {Kind.EQUITY, Kind.FUND, Kind.AUTHORITY}
_POSSESSIVE_BEFORE = tuple(f"{ending} " for ending in _POSSESSIVE)
_OF_A_COUNTRY = re.compile(r"(?:'s|’s)? +[A-Z]")


class _Pattern(NamedTuple):
    """One thing that words in the automaton can mean; `instrument` is None for words that name none."""

    written: str
    care: Care
    instrument: Instrument | None
    valid: Validity


class _Match(NamedTuple):
    """A place that names an instrument, or, with None, that hides shorter matches."""

    start: int
    end: int
    instrument_id: str | None
    matched_by: MatchedBy


class Linker:
    """Links texts with one directory. Holds no state between texts."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self._patterns = _patterns(directory)
        self._automaton = _automaton(self._patterns)
        self._contexts = _automaton(_contexts(directory))

    def link(self, text: str, entities: Sequence[Entity], day: date) -> tuple[Mention, ...]:
        """Mentions in the order of their start, of a text of that day. The entities are disjoint and in order.

        Every entity becomes one, without an instrument where none fits; tickers and aliases at other places are
        mentions without a type. Mentions with an instrument do not overlap each other: the longest wins.
        """
        matches = _Reading(self, text, entities, day).matches()
        chosen = {Span(match.start, match.end): match for match in _longest(matches)}
        types = {entity.span: entity.type for entity in entities}
        spans = sorted(chosen.keys() | types.keys()) if chosen else sorted(types)
        return tuple(_mention(text, span, types.get(span), chosen.get(span)) for span in spans)


class _Reading:
    """One text that is being linked."""

    def __init__(self, linker: Linker, text: str, entities: Sequence[Entity], day: date) -> None:
        self._linker = linker
        self._text = text
        self._lowered = _lowered(text)
        self._entities = entities
        self._day = day
        self._places = [entity.span for entity in entities]
        self._named: set[str] = set()

    def matches(self) -> list[_Match]:
        """All places, overlapping ones too."""
        found = list(self._tickers())
        doubtful: list[tuple[int, int, list[_Pattern]]] = []
        self._named = {match.instrument_id for match in found if match.instrument_id is not None}
        for start, end, patterns in self._aliases():
            if any(pattern.care is Care.CONFIRMED for pattern in patterns):
                doubtful.append((start, end, patterns))
            elif patterns[0].instrument is None:
                found.append(_Match(start, end, None, MatchedBy.ALIAS))
            else:
                found.append(_Match(start, end, patterns[0].instrument.id, MatchedBy.ALIAS))
                self._named.add(patterns[0].instrument.id)
        for start, end, patterns in doubtful:
            if (meant := self._meant(start, end, patterns)) is not None:
                found.append(_Match(start, end, meant.id, MatchedBy.ALIAS))
        found.extend(self._organisations())
        found.extend(self._beside_names())
        return found if self._is_of_markets(found) else [m for m in found if not is_where(self._text, m.start)]

    def _is_of_markets(self, found: Sequence[_Match]) -> bool:
        """Whether it names something besides countries, so that "in China" is no mere place."""
        instruments = self._linker.directory.instruments
        return any(instruments[m.instrument_id].kind is not Kind.COUNTRY for m in found if m.instrument_id is not None)

    def _tickers(self) -> Iterator[_Match]:
        text = self._text
        for found in _CASHTAG.finditer(text) if "$" in text else ():
            ticker = found[1].upper()
            if (instrument := self._ticker(ticker.replace("-", ".")) or self._ticker(ticker)) is not None:
                yield _Match(found.start(), found.end(), instrument.id, MatchedBy.CASHTAG)
        for found in _LISTED.finditer(text) if ":" in text else ():
            if (instrument := self._ticker(found[1])) is not None:
                yield _Match(*found.span(1), instrument.id, MatchedBy.CASHTAG)

    def _beside_names(self) -> Iterator[_Match]:
        """Tickers as hashtags or in brackets, of instruments that the text names otherwise as well."""
        for found in _BESIDE_A_NAME.finditer(self._text):
            group = 1 if found[1] else 2
            if (instrument := self._ticker(found[group])) is not None and instrument.id in self._named:
                yield _Match(*found.span(group), instrument.id, MatchedBy.CASHTAG)

    def _ticker(self, ticker: str) -> Instrument | None:
        return self._linker.directory.with_ticker(ticker, self._day)

    def _aliases(self) -> Iterator[tuple[int, int, list[_Pattern]]]:
        """Places and what they can mean on the day, the hiding words by themselves."""
        text = self._text
        hidden = addresses(text)
        for last, (words, patterns) in self._linker._automaton.iter(self._lowered):
            end = last + 1
            start = end - len(words)
            if not stands_alone(text, start, end) or overlapping(hidden, Span(start, end)):
                continue
            possible = [pattern for pattern in patterns if self._is_possible(pattern, start, end)]
            if possible:
                # Words that hide count only where no instrument claims just them on that day.
                yield start, end, [p for p in possible if p.instrument is not None] or possible

    def _is_possible(self, pattern: _Pattern, start: int, end: int) -> bool:
        if pattern.instrument is None:
            return True
        text, kind = self._text, pattern.instrument.kind
        return (
            self._day in pattern.valid
            and _written_well(text[start:end], pattern)
            and not (kind is Kind.CURRENCY and is_amount(text, start, end))
            and not (kind is Kind.EQUITY and is_source(text, start))
            and not (kind is Kind.COUNTRY and self._is_no_economy(start, end))
            and not self._is_part_of_another_name(Span(start, end), pattern)
        )

    def _meant(self, start: int, end: int, patterns: Sequence[_Pattern]) -> Instrument | None:
        """Which of several it is, or whether it is the one that it can be."""
        can_be = [pattern for pattern in patterns if pattern.instrument is not None]
        in_doubt = [p.instrument for p in can_be if p.care is Care.CONFIRMED and p.instrument is not None]
        for instrument in in_doubt:
            if instrument.id in self._named:
                return instrument
        for instrument in in_doubt:
            if instrument.id in self._spoken_for:
                return instrument
        for pattern in can_be:
            if pattern.care is not Care.CONFIRMED:
                return pattern.instrument
        if len(in_doubt) == 1 and self._is_like_a_company(start, end, in_doubt[0]):
            return in_doubt[0]
        return None

    def _is_like_a_company(self, start: int, end: int, instrument: Instrument) -> bool:
        overlapped = [self._entities[number] for number in overlapping(self._places, Span(start, end))]
        if any(entity.type is not EntityType.ORGANISATION for entity in overlapped):
            return False
        if overlapped:
            if instrument.kind not in _ORGANISATIONS:
                return False
            name = self._text[overlapped[0].span.start : overlapped[0].span.end]
            return bare(name) == self._text[start:end].lower()
        return instrument.kind is Kind.EQUITY and is_of_markets(self._text, start, end)

    def _organisations(self) -> Iterator[_Match]:
        """Organisations are looked up whole; "Gold" or "Nikkei Inc" as an organisation is no commodity and no index."""
        for entity in self._entities:
            start, end = entity.span.start, entity.span.end
            if entity.type is not EntityType.ORGANISATION or is_source(self._text, start):
                continue
            name = self._text[start:end]
            patterns = self._linker._patterns.get(name.lower()) or self._linker._patterns.get(bare(name)) or ()
            fitting = [
                pattern
                for pattern in patterns
                if pattern.instrument is not None
                and pattern.instrument.kind is Kind.EQUITY
                and self._day in pattern.valid
                and _written_well(name[: len(pattern.written)], pattern)
            ]
            if fitting and (meant := self._meant(start, start + len(fitting[0].written), fitting)) is not None:
                yield _Match(start, end, meant.id, MatchedBy.ENTITY)

    @cached_property
    def _spoken_for(self) -> set[str]:
        """The instruments whose words of context the text holds."""
        return {
            instrument_id
            for last, (words, instruments) in self._linker._contexts.iter(self._lowered)
            if stands_alone(self._text, last + 1 - len(words), last + 1)
            for instrument_id in instruments
        }

    @cached_property
    def _is_title_case(self) -> bool:
        return is_title_case(self._text)

    def _is_no_economy(self, start: int, end: int) -> bool:
        """Whether a country's name is a team's, a heading's, or says where somebody is from: "Japan's Nomura", "Tesco's
        U.S. stores", "MSFT:US"."""
        text = self._text
        if is_sport(text) or end <= slug_end(text) or text.endswith((*_POSSESSIVE_BEFORE, ":"), 0, start):
            return True
        return _OF_A_COUNTRY.match(text, end) is not None and not self._is_title_case

    def _is_part_of_another_name(self, span: Span, pattern: _Pattern) -> bool:
        """Whether an entity says that the words belong to something else: Dell the man, Gold Coast, Hang Seng Bank."""
        kind = None if pattern.instrument is None else pattern.instrument.kind
        for number in overlapping(self._places, span):
            entity = self._entities[number]
            longer = entity.span.end - entity.span.start > span.end - span.start + len(_POSSESSIVE[0])
            if not longer or kind is Kind.AUTHORITY:  # "BOJ Kuroda"
                continue
            if entity.type is not EntityType.ORGANISATION or kind is not Kind.EQUITY:
                return True
        return False


def _patterns(directory: Directory) -> dict[str, list[_Pattern]]:
    """By their words in lower case."""
    patterns: defaultdict[str, list[_Pattern]] = defaultdict(list)
    for instrument in directory.instruments.values():
        for alias in instrument.aliases:
            words = _lowered(alias.text)
            if alias.care is Care.NOT_THIS:
                patterns[words].append(_Pattern(alias.text, alias.care, None, alias.valid))
            else:
                valid = alias.valid.within(instrument.valid)
                patterns[words].append(_Pattern(alias.text, alias.care, instrument, valid))
    return dict(patterns)


def _contexts(directory: Directory) -> dict[str, list[str]]:
    """The ids of the instruments that words speak for, by the words."""
    contexts: defaultdict[str, list[str]] = defaultdict(list)
    for instrument in directory.instruments.values():
        for words in instrument.context:
            contexts[words].append(instrument.id)
    return dict(contexts)


def _automaton(meanings: Mapping[str, Sequence[object]]) -> "ahocorasick.Automaton":
    """Finds all of the words in a text at once, each with itself and what it means."""
    automaton = ahocorasick.Automaton()
    for words, meaning in meanings.items():
        automaton.add_word(words, (words, meaning))
    automaton.add_word("\0", ("\0", ()))  # An automaton of nothing cannot be asked.
    automaton.make_automaton()
    return automaton


def bare(name: str) -> str:
    """An organisation's name in lower case, without possessive and legal form."""
    return _LEGAL_FORM.sub("", name.lower().removesuffix(_POSSESSIVE[0]).removesuffix(_POSSESSIVE[1]))


def _lowered(text: str) -> str:
    """Lower case, code point by code point: offsets stay ("İ" has two code points in lower case)."""
    lowered = text.lower()
    if len(lowered) != len(text):
        return "".join(low if len(low := character.lower()) == 1 else character for character in text)
    return lowered


def _written_well(words: str, pattern: _Pattern) -> bool:
    if pattern.care is Care.ANY_CASE or words == pattern.written:
        return True
    return pattern.care is not Care.EXACT and words == pattern.written.upper()


def _longest(matches: list[_Match]) -> Iterator[_Match]:
    """Matches with an instrument that no longer one overlaps; of equals the leftmost, then the first found."""
    taken: list[tuple[int, int]] = []  # disjoint, in order: only the neighbours can overlap
    for match in sorted(matches, key=lambda match: (match.start - match.end, match.start)):
        place = bisect_left(taken, (match.start, match.end))
        free_before = place == 0 or taken[place - 1][1] <= match.start
        if free_before and (place == len(taken) or match.end <= taken[place][0]):
            taken.insert(place, (match.start, match.end))
            if match.instrument_id is not None:
                yield match


def _mention(text: str, span: Span, entity_type: EntityType | None, match: _Match | None) -> Mention:
    words = text[span.start : span.end]
    if match is None:
        return Mention(span, words, entity_type, None, None)
    return Mention(span, words, entity_type, match.instrument_id, match.matched_by)
