"""Which instruments a text names, and where. Precision comes before recall; nothing is guessed from context.

Three things name an instrument: its cashtag ($AAPL), an alias, and an organisation that the entity model finds under
one of its aliases. Aliases are searched all at once (Aho and Corasick 1975).
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import ahocorasick

from stream_worker.domain.instruments import Care, Directory, Kind
from stream_worker.domain.mentions import Entity, EntityType, MatchedBy, Mention, Span, overlapping

_CASHTAG = re.compile(r"(?<![\w$])\$([A-Za-z]{1,6}(?:[.\-][A-Za-z]{1,2})?|[A-Za-z]{1,5}_[A-Za-z])(?!\w)")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+")
_NUMBER_BEFORE = re.compile(r"\d[\s-]?$")
_NUMBER_AFTER = re.compile(r"\s?\d")
_LEGAL_FORM = re.compile(
    r"(?:,? (?:incorporated|inc|corporation|corp|company|co|plc|limited|ltd|llc|group|holdings?"
    r"|ag|sa|se|nv|spa|oyj|asa|ab)\.?)+$"
)
_POSSESSIVE = ("'s", "’s")


class _Pattern(NamedTuple):
    """An alias in the automaton; `instrument_id` is None for words that name none."""

    written: str
    care: Care
    instrument_id: str | None
    kind: Kind


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
        patterns = dict(_patterns(directory))
        self._automaton = ahocorasick.Automaton()
        for words, pattern in patterns.items():
            self._automaton.add_word(words, pattern)
        self._automaton.make_automaton()
        # Organisations are looked up whole; "Gold" or "Nikkei Inc" as an organisation is no commodity and no index.
        self._organisations = {
            words: pattern
            for words, pattern in patterns.items()
            if pattern.instrument_id is not None and pattern.kind is Kind.EQUITY
        }

    def link(self, text: str, entities: Sequence[Entity]) -> tuple[Mention, ...]:
        """Mentions in the order of their start. The entities are disjoint and in order.

        Every entity becomes one, without an instrument where none fits; cashtags and aliases at other places are
        mentions without a type. Mentions with an instrument do not overlap each other: the longest wins.
        """
        matches = list(self._cashtags(text)) if "$" in text else []
        confirmed = {match.instrument_id for match in matches}
        matches.extend(self._aliases(text, entities, confirmed))
        matches.extend(self._named_organisations(text, entities))
        chosen = {Span(match.start, match.end): match for match in _longest(matches)}
        types = {entity.span: entity.type for entity in entities}
        spans = sorted(chosen.keys() | types.keys()) if chosen else sorted(types)
        return tuple(_mention(text, span, types.get(span), chosen.get(span)) for span in spans)

    def _cashtags(self, text: str) -> Iterator[_Match]:
        for tag in _CASHTAG.finditer(text):
            symbol = tag[1].upper().replace("-", ".")
            instrument = self.directory.by_symbol.get(symbol) or self.directory.by_symbol.get(tag[1].upper())
            if instrument is not None:
                yield _Match(tag.start(), tag.end(), instrument.id, MatchedBy.CASHTAG)

    def _aliases(self, text: str, entities: Sequence[Entity], confirmed: set[str | None]) -> Iterator[_Match]:
        addresses = (
            [Span(*found.span()) for found in _ADDRESS.finditer(text)] if "://" in text or "www." in text else []
        )
        places = [entity.span for entity in entities]
        for last, pattern in self._automaton.iter(_lowered(text)):
            end = last + 1
            start = end - len(pattern.written)
            if not _stands_alone(text, start, end):
                continue
            if pattern.instrument_id is None:
                yield _Match(start, end, None, MatchedBy.ALIAS)
            elif (
                _written_well(text[start:end], pattern)
                and (pattern.care is not Care.CONFIRMED or pattern.instrument_id in confirmed)
                and not overlapping(addresses, Span(start, end))
                and not (pattern.kind is Kind.CURRENCY and _is_amount(text, start, end))
                and not _part_of_another_name(Span(start, end), text, pattern, entities, places)
            ):
                yield _Match(start, end, pattern.instrument_id, MatchedBy.ALIAS)

    def _named_organisations(self, text: str, entities: Sequence[Entity]) -> Iterator[_Match]:
        for entity in entities:
            if entity.type is EntityType.ORGANISATION:
                name = text[entity.span.start : entity.span.end].removesuffix("'s").removesuffix("’s")
                bare = _LEGAL_FORM.sub("", name.lower())
                pattern = self._organisations.get(name.lower()) or self._organisations.get(bare)
                if pattern is not None and _written_well(name[: len(pattern.written)], pattern):
                    yield _Match(entity.span.start, entity.span.end, pattern.instrument_id, MatchedBy.ENTITY)


def _patterns(directory: Directory) -> Iterator[tuple[str, _Pattern]]:
    """Hiding words first, so that an instrument's own alias of the same words replaces them."""
    for hiding in (True, False):
        for instrument in directory.instruments.values():
            for alias in instrument.aliases:
                if (alias.care is Care.NOT_THIS) is hiding:
                    owner = None if hiding else instrument.id
                    yield _lowered(alias.text), _Pattern(alias.text, alias.care, owner, instrument.kind)


def _lowered(text: str) -> str:
    """Lower case, code point by code point: offsets stay ("İ" has two code points in lower case)."""
    lowered = text.lower()
    if len(lowered) != len(text):
        return "".join(low if len(low := character.lower()) == 1 else character for character in text)
    return lowered


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether the words are neither part of a longer word or name ("S&P"), nor an account or domain name."""
    if start and text[start].isalnum():
        before = text[start - 1]
        if before.isalnum() or before in "_@&$" or (before == "." and start > 1 and text[start - 2].isalnum()):
            return False
    if end < len(text) and text[end - 1].isalnum():
        after = text[end]
        if after.isalnum() or after in "_&":
            return False
        if after in ".@" and text[end + 1 : end + 2].isalnum():
            return False
    return True


def _written_well(words: str, pattern: _Pattern) -> bool:
    if pattern.care is Care.ANY_CASE or words == pattern.written:
        return True
    return pattern.care is not Care.EXACT and words == pattern.written.upper()


def _is_amount(text: str, start: int, end: int) -> bool:
    """Whether a currency's name counts money: "100 yen", "C$1 bln"."""
    return bool(_NUMBER_BEFORE.search(text, max(start - 3, 0), start) or _NUMBER_AFTER.match(text, end))


def _part_of_another_name(
    span: Span, text: str, pattern: _Pattern, entities: Sequence[Entity], places: Sequence[Span]
) -> bool:
    """Whether an entity says that the words belong to something else: Dell the man, Gold Coast, Hang Seng Bank.

    `places` are the spans of the entities.
    """
    for number in overlapping(places, span):
        entity = entities[number]
        longer = entity.span.end - entity.span.start > span.end - span.start + len(_POSSESSIVE[0])
        if entity.type is EntityType.PERSON and (longer or " " not in text[span.start : span.end]):
            return True
        if longer and (entity.type is EntityType.LOCATION or pattern.kind is not Kind.EQUITY):
            return True
    return False


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
