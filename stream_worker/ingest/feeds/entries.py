"""What feedparser found → entries that are documents but for their order in time, and those that cannot be any."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import orjson

from stream_worker.domain.documents import Document, Kind, decode
from stream_worker.domain.html import text_of_html
from stream_worker.domain.refusals import Reason
from stream_worker.errors import InvalidDocument

_HTML_TYPES = ("text/html", "application/xhtml+xml")
_TEXT_TYPES = ("text/plain", *_HTML_TYPES)
#: Why an entry is skipped that stands in the feed a second time; all other reasons are the domain's.
REPEATED = "repeated"
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Origin:
    """What the feeds file says about a feed's documents."""

    source: str
    kind: Kind
    lang: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that is a document. `fields` are those of the wire format, without `published_at` and `updated_at`.

    `key` is what makes it the same entry the next time, `text_digest` what makes it unchanged: BLAKE2b-128 of its id
    (or link, or text), and of the words that a reader sees. `updated_at` is None where it is not later than
    `published_at`. `shared_id` is an id that it does not go by, for other entries of the feed have the same.
    """

    key: bytes
    text_digest: bytes
    published_at: datetime
    updated_at: datetime | None
    fields: Mapping[str, str]
    shared_id: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that cannot be a document: which one, and why. `early`: it could be one later, its time is to come."""

    entry: str
    reason: str
    detail: str
    early: bool = False


def entries_of(
    found: Sequence[Mapping[str, Any]], language: str | None, origin: Origin, now: datetime
) -> tuple[list[Entry], list[Skipped]]:
    """The entries that are documents, oldest first, and those that are not.

    The worker's own `decode` is the judge, so that a feed makes no dead letters. Nothing is made up for an entry
    without a time: it is skipped.
    """
    entries: dict[bytes, Entry] = {}
    skipped = []
    shared_ids = _shared_ids(found)
    for fields in _as_fields(found, language, origin):
        shared_id = fields.pop("id") if fields.get("id") in shared_ids else None
        try:
            entry = replace(_entry(fields, now), shared_id=shared_id)
        except InvalidDocument as error:
            skipped.append(Skipped(_name(fields), str(error.reason), error.detail, _is_early(error, fields, now)))
            continue
        other = entries.get(entry.key)
        if other is None or _last_time(entry) > _last_time(other):
            entries[entry.key] = entry
        if other is not None:
            skipped.append(Skipped(_name(fields), REPEATED, "the feed has it more than once; the newest one counts"))
    # Feeds begin with the newest: turned round first, entries of the same second keep their order in time.
    oldest_first = list(entries.values())[::-1]
    oldest_first.sort(key=lambda entry: entry.published_at)
    return oldest_first, skipped


def other_identity(entry: Entry) -> Entry | None:
    """The same entry as it is when others share its id, and it goes by its link, or when none does, and it goes by its
    id: the one that it is not now. None where it has only one of them."""
    if entry.shared_id is not None:
        fields = {**entry.fields, "id": entry.shared_id}
        return replace(entry, key=_digest("id", entry.shared_id), fields=fields, shared_id=None)
    identity, url = entry.fields.get("id"), entry.fields.get("url")
    if identity is None or url is None:
        return None
    fields = {name: value for name, value in entry.fields.items() if name != "id"}
    return replace(entry, key=_digest("url", url), fields=fields, shared_id=identity)


def _as_fields(found: Sequence[Mapping[str, Any]], language: str | None, origin: Origin) -> Iterator[dict[str, str]]:
    """The wire fields of each entry, those that it has."""
    for entry in found:
        fields = {
            "source": origin.source,
            "kind": origin.kind.value,
            "id": _text(entry, "id"),
            "url": _link(entry),
            "title": _title(entry),
            **_body(entry),
            "author": _text(entry.get("author_detail") or {}, "name") or _text(entry, "author"),
            "lang": origin.lang or (entry.get("title_detail") or {}).get("language") or language,
            **_times(entry),
        }
        if fields.get("body") == fields["title"]:
            del fields["body"], fields["body_type"]
        yield {name: value for name, value in fields.items() if value is not None}


def _shared_ids(found: Sequence[Mapping[str, Any]]) -> set[str]:
    """Ids that entries with different links share: some feeds give all their entries the same one."""
    links = defaultdict(set)
    for entry in found:
        if (identity := _text(entry, "id")) is not None:
            links[identity].add(_link(entry))
    return {identity for identity, places in links.items() if len(places) > 1}


def _link(entry: Mapping[str, Any]) -> str | None:
    link = _text(entry, "link")
    return link if link and link.startswith(("http://", "https://")) else None


def _title(entry: Mapping[str, Any]) -> str | None:
    """As text: the wire format has HTML in bodies only."""
    title = _text(entry, "title")
    if title is None or (entry.get("title_detail") or {}).get("type") not in _HTML_TYPES:
        return title
    return " ".join(text_of_html(title).split()) or None


def _body(entry: Mapping[str, Any]) -> dict[str, str | None]:
    """The whole text where the feed carries it, else the summary."""
    for part in (*entry.get("content", ()), entry.get("summary_detail") or {}):
        kind = part.get("type", "text/plain")
        if kind in _TEXT_TYPES and (body := _text(part, "value")):
            return {"body": body, "body_type": "html" if kind in _HTML_TYPES else "text"}
    return {"body": None, "body_type": None}


def _times(entry: Mapping[str, Any]) -> dict[str, str | None]:
    """A feed that only says when an entry was updated (Atom may, RSS 1.0 has dc:date) says when it was published.

    A time that cannot be read is left as it stands, for `decode` to name it.
    """
    published = _time(entry, "published") or _time(entry, "created")
    updated = _time(entry, "updated")
    unread = next((text for name in ("published", "updated") if (text := _text(entry, name))), None)
    first = published or updated
    later = updated if first and updated and updated > first else None
    return {
        "published_at": first.isoformat() if first else unread,
        "updated_at": later.isoformat() if later else None,
    }


def _time(entry: Mapping[str, Any], name: str) -> datetime | None:
    parsed: tuple[int, ...] | None = entry.get(f"{name}_parsed")
    if parsed is None:
        return None
    year, month, day, hour, minute, second = parsed[:6]
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def _text(part: Mapping[str, Any], name: str) -> str | None:
    value = part.get(name)
    return value.strip() or None if isinstance(value, str) else None


def _entry(fields: dict[str, str], now: datetime) -> Entry:
    """Raises InvalidDocument."""
    document = decode(orjson.dumps(fields), now)
    assert isinstance(document, Document)
    rest = {name: value for name, value in fields.items() if name not in ("published_at", "updated_at")}
    return Entry(
        _key(document), _digest(document.title, document.body), document.published_at, document.updated_at, rest
    )


def _key(document: Document) -> bytes:
    if document.source_id is not None:
        return _digest("id", document.source_id)
    return _digest("url", document.url) if document.url is not None else _digest(document.title, document.body)


def _is_early(error: InvalidDocument, fields: Mapping[str, str], now: datetime) -> bool:
    if error.reason != Reason.TIME_OUT_OF_RANGE or error.field is None:
        return False
    return datetime.fromisoformat(fields[error.field]) > now


def _digest(*parts: str | None) -> bytes:
    return blake2b(orjson.dumps(parts), digest_size=16).digest()


def _last_time(entry: Entry) -> datetime:
    return entry.updated_at or entry.published_at


def _name(fields: Mapping[str, str]) -> str:
    """What a person finds an entry by."""
    return (fields.get("id") or fields.get("url") or fields.get("title") or "an entry without a name")[
        :_SHOWN_CHARACTERS
    ]
