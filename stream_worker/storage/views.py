"""What screens read: the live state as the monitor publishes it, and history in the same shapes."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from stream_worker.domain.sentiment import Sentiment


class TrendPoint(NamedTuple):
    """Documents published in one span of time and their mean polarity, in [-1, 1]. Spans without documents are left
    out; how long a span is, the context says (a minute in live state)."""

    start: datetime
    documents: int
    polarity: float


@dataclass(frozen=True, slots=True)
class NamedInstrument:
    """An instrument that a document names, with the polarity towards it."""

    instrument_id: str
    polarity: float


@dataclass(frozen=True, slots=True)
class ShownDocument:
    """The current revision of a document, its text cut to what a screen shows.

    `sentiment` is the document's own; where it is None, `unscored_reason` says why (or the model has yet to score).
    """

    document_id: str
    source: str
    kind: str
    url: str | None
    text: str
    published_at: datetime
    received_at: datetime
    language: str | None
    unscored_reason: str | None
    sentiment: Sentiment | None
    model_version: str | None
    instruments: tuple[NamedInstrument, ...]


@dataclass(frozen=True, slots=True)
class Feed:
    """The newest documents, newest published first."""

    as_of: datetime
    documents: tuple[ShownDocument, ...]


@dataclass(frozen=True, slots=True)
class BoardRow:
    """An instrument's place on a leader board; `polarity` is the mean over its documents."""

    instrument_id: str
    documents: int
    polarity: float
    negative_documents: int


@dataclass(frozen=True, slots=True)
class Board:
    """A leader board over the `hours` before `as_of`, best placed first."""

    as_of: datetime
    hours: int
    rows: tuple[BoardRow, ...]


@dataclass(frozen=True, slots=True)
class LiveState:
    """An instrument over the last hours ('' is the market); `series` has one point a minute."""

    instrument_id: str
    documents: int
    negative_documents: int
    positive_documents: int
    polarity: float | None
    latest_at: datetime | None
    series: tuple[TrendPoint, ...]


@dataclass(frozen=True, slots=True)
class MarketView:
    """All that the market page shows. A part is None until the monitor has published it."""

    feed: Feed | None
    mentioned: Board | None
    negative: Board | None
    market: LiveState | None


@dataclass(frozen=True, slots=True)
class InstrumentDocument:
    """A document that names an instrument, with the sentiment towards that instrument."""

    document: ShownDocument
    sentiment: Sentiment


@dataclass(frozen=True, slots=True)
class InstrumentHistory:
    """An instrument up to `as_of`, which is now by the deployment's clock; the counts are the trend's."""

    as_of: datetime
    negative_documents: int
    positive_documents: int
    trend: tuple[TrendPoint, ...]
    documents: tuple[InstrumentDocument, ...]
