"""Spans of a document that name something. Offsets count Unicode code points of the raw text, end exclusive."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class EntityType(StrEnum):
    """What the entity model tells apart."""

    PERSON = "PER"
    LOCATION = "LOC"
    ORGANISATION = "ORG"


class MatchedBy(StrEnum):
    """Why a mention carries its instrument."""

    CASHTAG = "cashtag"
    ALIAS = "alias"
    ENTITY = "entity"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open range of code points."""

    start: int
    end: int


def overlapping(spans: Sequence[Span], span: Span) -> range:
    """Which of the spans, disjoint and in order, share a code point with another: their numbers."""
    first = bisect_right(spans, span.start, key=lambda other: other.end)
    return range(first, bisect_left(spans, span.end, lo=first, key=lambda other: other.start))


@dataclass(frozen=True, slots=True)
class Entity:
    """A span that the entity model found."""

    span: Span
    type: EntityType


@dataclass(frozen=True, slots=True)
class Mention:
    """A span that names something: an entity of the model, an instrument of the directory, or both."""

    span: Span
    text: str
    type: EntityType | None
    instrument_id: str | None
    matched_by: MatchedBy | None
