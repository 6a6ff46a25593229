"""A message's bytes → a document, or the reason why it cannot be one.

The wire format is one JSON object in UTF-8: `source`, `kind` (news or comment), `published_at` (RFC 3339 with offset),
`title` or `text`, and optionally `id`, `url`, `body`, `author`, `lang`, `updated_at`. Unknown fields are ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Any

import orjson

from stream_worker.errors import InvalidDocument

MAX_TITLE_CHARACTERS = 2_000
MAX_TEXT_CHARACTERS = 200_000
MAX_FIELD_CHARACTERS = 2_000
MAX_DEPTH = 64
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
LATEST_AHEAD = timedelta(days=1)


class Kind(StrEnum):
    """News is published by an editor, a comment by anybody."""

    NEWS = "news"
    COMMENT = "comment"


class Reason(StrEnum):
    """Why a message became a dead letter."""

    EMPTY = "empty"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    BAD_CHARACTER = "bad_character"
    UNKNOWN_KIND = "unknown_kind"
    BAD_TIME = "bad_time"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    NO_TEXT = "no_text"
    TOO_LONG = "too_long"
    DATABASE_REFUSED = "database_refused"


@dataclass(frozen=True, slots=True)
class Document:
    """One revision of a news item or comment, as its source published it."""

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
    def raw_text(self) -> str:
        """What offsets of mentions count in: the title, a line break and the body, or the one that is there."""
        return raw_text(self.title, self.body)


def raw_text(title: str | None, body: str | None) -> str:
    """Title and body as one text."""
    if title is not None and body is not None:
        return f"{title}\n{body}"
    return title if title is not None else body or ""


def message_digest(message: bytes | None) -> bytes:
    """BLAKE2b-128 of a message's bytes; of nothing for a message without a value."""
    return blake2b(message or b"", digest_size=16).digest()


def decode(message: bytes | None, received_at: datetime) -> Document:
    """The document in a message. Raises InvalidDocument with the reason."""
    fields = _object(message)
    source = _text(fields, "source", MAX_FIELD_CHARACTERS)
    if not source:
        raise InvalidDocument(Reason.MISSING_FIELD, "source is missing")
    kind = _kind(fields)
    published_at = _time(fields, "published_at", received_at)
    if published_at is None:
        raise InvalidDocument(Reason.MISSING_FIELD, "published_at is missing")
    updated_at = _time(fields, "updated_at", received_at)
    title, body = title_and_body(fields)
    source_id = _text(fields, "id", MAX_FIELD_CHARACTERS)
    url = _text(fields, "url", MAX_FIELD_CHARACTERS)
    author = _text(fields, "author", MAX_FIELD_CHARACTERS)
    language = _text(fields, "lang", MAX_FIELD_CHARACTERS)
    return Document(
        document_id=_identity(source, source_id, url, title, body, published_at),
        content_digest=_digest(kind, title, body, author, language, published_at, updated_at),
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


def _object(message: bytes | None) -> Mapping[str, Any]:
    if not message or message.isspace():
        raise InvalidDocument(Reason.EMPTY, "the message has no content")
    if message.count(b"{") + message.count(b"[") > MAX_DEPTH and _depth(message) > MAX_DEPTH:
        raise InvalidDocument(Reason.TOO_DEEP, f"JSON nested over {MAX_DEPTH} levels deep")
    try:
        value = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        try:
            message.decode()
        except UnicodeDecodeError as undecodable:
            raise InvalidDocument(Reason.NOT_UTF8, f"byte {undecodable.start}: {undecodable.reason}") from None
        raise InvalidDocument(Reason.NOT_JSON, str(error)) from None
    if not isinstance(value, dict):
        raise InvalidDocument(Reason.NOT_AN_OBJECT, f"a JSON {type(value).__name__}, not an object")
    return value


def _depth(message: bytes) -> int:
    """Deepest nesting of brackets outside strings."""
    depth = deepest = 0
    in_string = escaped = False
    for byte in message:
        if in_string:
            in_string = escaped or byte != 0x22
            escaped = byte == 0x5C and not escaped
        elif byte == 0x22:
            in_string = True
        elif byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest


def _text(fields: Mapping[str, Any], name: str, longest: int) -> str | None:
    """A text field without surrounding white space being judged; None where it is absent, null or empty."""
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidDocument(Reason.WRONG_TYPE, f"{name} is a {type(value).__name__}, not a string")
    if len(value) > longest:
        raise InvalidDocument(Reason.TOO_LONG, f"{name} has {len(value)} characters; at most {longest} are taken")
    if "\0" in value:
        raise InvalidDocument(Reason.BAD_CHARACTER, f"{name} contains U+0000")
    if value.isspace():
        return None
    return value or None


def _kind(fields: Mapping[str, Any]) -> Kind:
    value = _text(fields, "kind", MAX_FIELD_CHARACTERS)
    if value is None:
        raise InvalidDocument(Reason.MISSING_FIELD, "kind is missing")
    try:
        return Kind(value)
    except ValueError:
        raise InvalidDocument(Reason.UNKNOWN_KIND, f"kind is {value[:50]!r}, not news or comment") from None


def _time(fields: Mapping[str, Any], name: str, received_at: datetime) -> datetime | None:
    value = _text(fields, name, MAX_FIELD_CHARACTERS)
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value)
        if time.tzinfo is None:
            raise InvalidDocument(Reason.BAD_TIME, f"{name} {value[:50]!r} has no UTC offset")
        time = time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidDocument(Reason.BAD_TIME, f"{name} {value[:50]!r} is not an RFC 3339 time") from None
    if not EARLIEST <= time <= received_at + LATEST_AHEAD:
        raise InvalidDocument(Reason.TIME_OUT_OF_RANGE, f"{name} {value[:50]} is before 1990 or over a day ahead")
    return time


def title_and_body(fields: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The texts of a document; `text` is its body, or its title where it has a body besides. Raises InvalidDocument."""
    title = _text(fields, "title", MAX_TITLE_CHARACTERS)
    text = _text(fields, "text", MAX_TEXT_CHARACTERS)
    body = _text(fields, "body", MAX_TEXT_CHARACTERS)
    if title is None and text is not None and body is not None:
        title = text
    elif body is None:
        body = text
    if title is None and body is None:
        raise InvalidDocument(Reason.NO_TEXT, "neither title nor text has content")
    return title, body


def _identity(
    source: str, source_id: str | None, url: str | None, title: str | None, body: str | None, published_at: datetime
) -> str:
    """(source, id), else (source, url), else a digest of the text fields and the time of publication."""
    if source_id is not None:
        return _digest("id", source, source_id).hex()
    if url is not None:
        return _digest("url", source, url).hex()
    return _digest("text", source, title, body, published_at).hex()


def _digest(*parts: str | datetime | None) -> bytes:
    """BLAKE2b-128 of parts that cannot run into each other."""
    encoded = [None if part is None else part if isinstance(part, str) else part.isoformat() for part in parts]
    return blake2b(orjson.dumps(encoded), digest_size=16).digest()
