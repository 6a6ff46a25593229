"""Reads what Postgres remembers of one instrument: its trend, and the documents that name it. Synchronous, for
screens."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, TextClause, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from stream_worker.domain.documents import raw_text
from stream_worker.domain.instruments import Directory
from stream_worker.domain.sentiment import Sentiment
from stream_worker.errors import Unavailable
from stream_worker.settings import Clock
from stream_worker.storage.clock import NOW
from stream_worker.storage.directory import LATEST, directory_of, entries_of, rows_after
from stream_worker.storage.schema import IS_SHOWN
from stream_worker.storage.views import (
    InstrumentDocument,
    InstrumentHistory,
    NamedInstrument,
    ShownDocument,
    TrendPoint,
)

#: No screen shows more of a text.
SHOWN_CHARACTERS = 500

_TREND = text("""
    SELECT date_bin(:bin, minute, TIMESTAMPTZ '2000-01-01 00:00Z') AS start,
        sum(documents) AS documents, sum(polarity_sum) / sum(documents) AS polarity,
        sum(negative_documents) AS negative_documents, sum(positive_documents) AS positive_documents
    FROM windows
    WHERE instrument_id = :instrument AND kind = ANY(:kinds) AND minute > :since AND minute <= :now
    GROUP BY 1 ORDER BY 1
""")

#: The polarity towards every instrument that a revision names is aggregated only for the rows that are shown.
_DOCUMENTS = text(f"""
    WITH shown AS (
        SELECT d.*, s.model_version, s.negative, s.neutral, s.positive
        FROM scores s JOIN documents d ON d.document_id = s.document_id AND d.content_digest = s.content_digest
        WHERE s.instrument_id = :instrument AND s.role = 'champion' AND d.kind = ANY(:kinds)
        AND s.published_at > :since AND s.published_at <= :now AND {IS_SHOWN}
        ORDER BY s.published_at DESC, d.document_id LIMIT :at_most
    )
    SELECT shown.*, w.negative AS whole_negative, w.neutral AS whole_neutral, w.positive AS whole_positive, (
        SELECT json_agg(json_build_array(o.instrument_id, o.positive - o.negative) ORDER BY o.instrument_id)
        FROM scores o WHERE o.document_id = shown.document_id AND o.content_digest = shown.content_digest
        AND o.role = 'champion' AND o.instrument_id <> ''
    ) AS instruments
    FROM shown JOIN scores w ON w.document_id = shown.document_id AND w.content_digest = shown.content_digest
        AND w.role = 'champion' AND w.instrument_id = ''
    ORDER BY shown.published_at DESC, shown.document_id
""")  # noqa: S608 - a constant of ours


@dataclass(frozen=True, slots=True)
class Question:
    """Whose history, over which `span` up to now, in points of `bin_length` (whole minutes), of which kinds."""

    instrument_id: str
    span: timedelta
    bin_length: timedelta
    kinds: tuple[str, ...] = ("news", "comment")


class HistoryReader:
    """Postgres. Every method raises Unavailable, with a sentence for the screen, while it is away."""

    def __init__(self, url: str, clock: Clock) -> None:
        """`url` is SQLAlchemy's, with any driver; `clock` says what now is."""
        self._clock = clock
        self._engine = create_engine(
            url.replace("+asyncpg", "+psycopg", 1),
            pool_size=4,
            max_overflow=4,
            pool_pre_ping=True,
            pool_timeout=5,
            connect_args={"connect_timeout": 2, "options": "-c timezone=UTC -c statement_timeout=5000"},
        )

    def history(self, question: Question, at_most: int) -> InstrumentHistory:
        """The trend, oldest first, and at most so many current revisions that name the instrument, newest published
        first. Points are aligned to midnight UTC."""
        with self._connection() as connection:
            now = self._now(connection)
            parameters = {
                "instrument": question.instrument_id,
                "kinds": list(question.kinds),
                "since": now - question.span,
                "now": now,
            }
            points = _rows(connection, _TREND, {**parameters, "bin": question.bin_length})
            documents = _rows(connection, _DOCUMENTS, {**parameters, "at_most": at_most})
        return InstrumentHistory(
            as_of=now,
            negative_documents=sum(int(row.negative_documents) for row in points),
            positive_documents=sum(int(row.positive_documents) for row in points),
            trend=tuple(TrendPoint(row.start, int(row.documents), row.polarity) for row in points),
            documents=tuple(_instrument_document(row) for row in documents),
        )

    def directory(self) -> Directory | None:
        """The newest directory of instruments; None where there is none yet."""
        with self._connection() as connection:
            latest = connection.execute(LATEST).one_or_none()
            if latest is None:
                return None
            return directory_of(entries_of(connection.execute(rows_after(latest.number))).values())

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _now(self, connection: Connection) -> datetime:
        now: datetime = connection.execute(NOW[self._clock]).scalar_one()
        return now

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable("The database (Postgres) does not answer; this page goes on trying.") from error


def _rows(connection: Connection, statement: TextClause, parameters: Mapping[str, Any]) -> Sequence[Any]:
    return connection.execute(statement, parameters).all()


def _instrument_document(row: Any) -> InstrumentDocument:
    document = ShownDocument(
        document_id=row.document_id,
        source=row.source,
        kind=row.kind,
        url=row.url,
        text=raw_text(row.title, row.body)[:SHOWN_CHARACTERS],
        published_at=row.published_at,
        received_at=row.received_at,
        language=row.language,
        unscored_reason=row.unscored_reason,
        sentiment=Sentiment(row.whole_negative, row.whole_neutral, row.whole_positive),
        model_version=row.model_version,
        instruments=tuple(NamedInstrument(name, polarity) for name, polarity in row.instruments),
    )
    return InstrumentDocument(document, Sentiment(row.negative, row.neutral, row.positive))
