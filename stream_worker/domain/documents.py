"""A message's bytes → a document or its retraction, or the reason why it can be neither.

The wire format is `schemas/document-1.json`: one JSON object in UTF-8. The schema says which fields there are and what
they hold; what a schema cannot say (times, blank texts, depth) is checked here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Any

import orjson

from stream_worker.domain.html import text_of_html
from stream_worker.domain.json_objects import json_object
from stream_worker.domain.refusals import Reason, refusal
from stream_worker.domain.wire import text_schema, wire_schema
from stream_worker.errors import InvalidDocument

_NAMES = ("source", "id", "url")
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
LATEST_AHEAD = timedelta(days=1)
_HTML = "html"

#: What identifies a revision: the document's id and its content digest.
Revision = tuple[str, bytes]


class Kind(StrEnum):
    """News is published by an editor, a comment by anybody."""

    NEWS = "news"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class Document:
    """One revision of a news item or comment, as its source published it; a body in HTML is reduced to its text.

    Id and digest come from the fields as they came: another version of the reduction makes no other revision of it.
    """

    document_id: str
    content_digest: bytes
    source: str
    source_id: str | None
    kind: Kind
    url: str | None
    title: str | None
    body: str | None
    author: str | None
    language: str | None
    published_at: datetime
    updated_at: datetime | None

    @property
    def revision(self) -> Revision:
        """What identifies this revision."""
        return self.document_id, self.content_digest

    @property
    def raw_text(self) -> str:
        """What offsets of mentions count in: the title, a line break and the body, or the one that is there."""
        return raw_text(self.title, self.body)

    @property
    def body_start(self) -> int | None:
        """Where in the raw text the body begins that follows a title; None where there is one of them."""
        return body_start(self.title, self.body)


@dataclass(frozen=True, slots=True)
class Retraction:
    """A revision that takes its document back: it has no text and no score, and counts like any other revision."""

    document_id: str
    content_digest: bytes
    source: str
    updated_at: datetime

    @property
    def revision(self) -> Revision:
        """What identifies this revision."""
        return self.document_id, self.content_digest


def raw_text(title: str | None, body: str | None) -> str:
    """Title and body as one text."""
    if title is not None and body is not None:
        return f"{title}\n{body}"
    return title if title is not None else body or ""


def body_start(title: str | None, body: str | None) -> int | None:
    """Where in `raw_text` a body begins that follows a title."""
    return None if title is None or body is None else len(title) + 1


def message_digest(message: bytes | None) -> bytes:
    """BLAKE2b-128 of a message's bytes; of nothing for a message without a value."""
    return blake2b(message or b"", digest_size=16).digest()


def decode(message: bytes | None, received_at: datetime) -> Document | Retraction:
    """The document, or the retraction, in a message. Raises InvalidDocument with the reason and the field."""
    fields = json_object(message)
    schema = wire_schema("document")
    if not schema.is_valid(fields):
        raise refusal(list(schema.problems(fields)))
    return _retraction(fields, received_at) if fields.get("op") == "retract" else _document(fields, received_at)


def named_document(fields: Mapping[str, Any]) -> str | None:
    """The id of the document that any JSON object names, though it may be no document itself; None where it names
    none by id or url."""
    source, source_id, url = (value if isinstance(value := fields.get(name), str) else None for name in _NAMES)
    if not source or not (source_id or url):
        return None
    return identity(source, source_id or None, url or None)


def _document(fields: Mapping[str, Any], received_at: datetime) -> Document:
    source = _required(fields, "source")
    kind = Kind(fields["kind"])
    published_at = _required_time(fields, "published_at", received_at)
    updated_at = time_in(fields, "updated_at", received_at)
    title, body = _texts(fields)
    source_id, url, author, language = (_text(fields, name) for name in ("id", "url", "author", "lang"))
    content = [kind, title, body, author, language, published_at, updated_at]
    if _is_html(fields):
        content.append(_HTML)
    first_published_at = _first_published_at(fields, published_at, received_at)
    document_id = identity(source, source_id, url, title, body, first_published_at)
    content_digest = _digest(*content)
    title, body = _reduced(fields, title, body)
    return Document(
        document_id=document_id,
        content_digest=content_digest,
        source=source,
        source_id=source_id,
        kind=kind,
        url=url,
        title=title,
        body=body,
        author=author,
        language=language,
        published_at=published_at,
        updated_at=updated_at,
    )


def _retraction(fields: Mapping[str, Any], received_at: datetime) -> Retraction:
    source = _required(fields, "source")
    source_id, url = _text(fields, "id"), _text(fields, "url")
    updated_at = _required_time(fields, "updated_at", received_at)
    if source_id is not None or url is not None:
        document_id = identity(source, source_id, url)
    else:
        # A document without id and url is identified by what it says.
        published_at = _required_time(fields, "published_at", received_at)
        first_published_at = _first_published_at(fields, published_at, received_at)
        document_id = identity(source, None, None, *_texts(fields), first_published_at)
    return Retraction(
        document_id=document_id,
        content_digest=_digest("retract", updated_at),
        source=source,
        updated_at=updated_at,
    )


def title_and_body(fields: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The texts of fields that need not be a document's otherwise; `text` is the body, or the title where there is a
    body besides; a body in HTML is reduced to its text. Raises InvalidDocument."""
    schema = text_schema()
    if not schema.is_valid(fields):
        raise refusal(list(schema.problems(fields)))
    return _reduced(fields, *_texts(fields))


def _reduced(fields: Mapping[str, Any], title: str | None, body: str | None) -> tuple[str | None, str | None]:
    if body is not None and _is_html(fields):
        text = text_of_html(body)
        body = text if text.strip() else None
    if title is None and body is None:
        raise InvalidDocument(Reason.NO_TEXT, "the HTML of the body holds no text, and there is no title", "body")
    return title, body


def _is_html(fields: Mapping[str, Any]) -> bool:
    return fields.get("body_type") == _HTML


def _texts(fields: Mapping[str, Any]) -> tuple[str | None, str | None]:
    title, text, body = (_text(fields, name) for name in ("title", "text", "body"))
    if title is None and text is not None and body is not None:
        title = text
    elif body is None:
        body = text
    if title is None and body is None:
        raise InvalidDocument(Reason.NO_TEXT, "neither title nor text has content", "title")
    return title, body


def identity(
    source: str,
    source_id: str | None,
    url: str | None,
    title: str | None = None,
    body: str | None = None,
    published_at: datetime | None = None,
) -> str:
    """The id of a document: from (source, id), else (source, url), else its texts and its time of publication."""
    if source_id is not None:
        return _digest("id", source, source_id).hex()
    if url is not None:
        return _digest("url", source, url).hex()
    return _digest("text", source, title, body, published_at).hex()


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    """A text field of fields that follow the schema; None where it is absent, null, empty or blank."""
    value: str | None = fields.get(name)
    return None if not value or value.isspace() else value


def _required(fields: Mapping[str, Any], name: str) -> str:
    value = _text(fields, name)
    if value is None:
        raise InvalidDocument(Reason.MISSING_FIELD, f"{name} is missing", name)
    return value


def _first_published_at(fields: Mapping[str, Any], published_at: datetime, received_at: datetime) -> datetime:
    """What identifies the document: a replay may move it in time, and then says from where."""
    return time_in(fields, "rebased_from", received_at) or published_at


def _required_time(fields: Mapping[str, Any], name: str, received_at: datetime) -> datetime:
    time = time_in(fields, name, received_at)
    if time is None:
        raise InvalidDocument(Reason.MISSING_FIELD, f"{name} is missing", name)
    return time


def time_in(fields: Mapping[str, Any], name: str, received_at: datetime) -> datetime | None:
    """A time of a document, in UTC; None where there is none. Raises InvalidDocument where it may have none such.

    What stands in the field is a string, or nothing.
    """
    value = _text(fields, name)
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value)
        if time.tzinfo is None:
            raise InvalidDocument(Reason.BAD_TIME, f"{name} {value[:50]!r} has no UTC offset", name)
        time = time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidDocument(Reason.BAD_TIME, f"{name} {value[:50]!r} is not an RFC 3339 time", name) from None
    if not EARLIEST <= time <= received_at + LATEST_AHEAD:
        detail = f"{name} {value[:50]} is before 1990 or over a day ahead"
        raise InvalidDocument(Reason.TIME_OUT_OF_RANGE, detail, name)
    return time


def _digest(*parts: str | datetime | None) -> bytes:
    """BLAKE2b-128 of parts that cannot run into each other."""
    encoded = [None if part is None else part if isinstance(part, str) else part.isoformat() for part in parts]
    return blake2b(orjson.dumps(encoded), digest_size=16).digest()
