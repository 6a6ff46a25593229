"""The wire schemas: what our topics promise, to whoever reads and writes them."""

from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import jsonschema_rs
import orjson
import pytest

from stream_worker.domain.documents import Retraction, decode
from stream_worker.domain.refusals import Reason
from stream_worker.domain.wire import Name, wire_schema
from stream_worker.errors import InvalidDocument
from tests.decoding import document_in

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NAMES: tuple[Name, ...] = ("document", "score", "retraction", "dead-letter")
GOOD = {"source": "wire", "kind": "news", "published_at": "2026-11-24T10:00:00Z", "title": "Profit up"}

#: One message of each kind as version 1.0 made it. Later versions must go on reading these: never change them.
FIRST_MESSAGES: dict[Name, dict[str, Any]] = {
    "document": {
        "schema": "finsentry.document/1", "source": "wire", "id": "1", "url": "https://example.org/1", "kind": "news",
        "published_at": "2026-11-24T10:00:00Z", "updated_at": "2026-11-24T11:00:00+01:00", "title": "Profit up",
        "body": "More.", "author": "A", "lang": "en",
    },
    "score": {
        "schema": "finsentry.score/1", "score_id": "0" * 32, "document_id": "1" * 32, "content_digest": "2" * 32,
        "instrument_id": None, "source": "wire", "kind": "news", "published_at": "2026-11-24T10:00:00+00:00",
        "updated_at": None, "scored_at": "2026-11-24T10:00:01+00:00",
        "sentiment": {"negative": 0.1, "neutral": 0.2, "positive": 0.7}, "polarity": 0.6,
        "model_version": "sentiment/1@a entities/1@b", "directory_version": "d1",
    },
    "retraction": {
        "schema": "finsentry.retraction/1", "document_id": "1" * 32, "content_digest": "2" * 32, "source": "wire",
        "updated_at": "2026-11-24T10:00:00+00:00",
    },
    "dead-letter": {
        "schema": "finsentry.dead-letter/1", "topic": "documents", "partition": 0, "offset": 7, "reason": "not_json",
        "detail": "unexpected end", "payload_base64": "e30=", "payload_bytes": 2, "payload_blake2b": "3" * 32,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_files_are_json_schema_and_name_themselves(name: Name) -> None:
    path = files("stream_worker.domain") / "schemas" / f"{name}-1.json"
    jsonschema_rs.meta.validate(orjson.loads(path.read_bytes()))
    assert wire_schema(name).id == f"finsentry.{name}/1"


@pytest.mark.parametrize("name", NAMES)
def test_what_the_first_version_wrote_is_read_for_ever_and_unknown_fields_are_ignored(name: Name) -> None:
    message = FIRST_MESSAGES[name]
    assert [*wire_schema(name).problems(message)] == []
    assert wire_schema(name).is_valid(message | {"added_later": {"by": "somebody"}})


@pytest.mark.parametrize("name", ["score", "retraction", "dead-letter"])
def test_readers_of_the_first_version_find_every_field_that_they_know(name: Name) -> None:
    for field in FIRST_MESSAGES[name]:
        without = {key: value for key, value in FIRST_MESSAGES[name].items() if key != field}
        assert not wire_schema(name).is_valid(without), field


def test_what_breaks_the_promise_is_not_sent() -> None:
    with pytest.raises(ValueError, match=r"finsentry.score/1.*polarity"):
        wire_schema("score").encode(FIRST_MESSAGES["score"] | {"polarity": 7})


@pytest.mark.parametrize("version", ["finsentry.document/1", "finsentry.document/1.7", None])
def test_minor_versions_are_read(version: str | None) -> None:
    assert document_in(orjson.dumps(GOOD | {"schema": version}), NOW).title == "Profit up"


@pytest.mark.parametrize("version", ["finsentry.document/2", "finsentry.document/10", "finsentry.score/1", "1", 1])
def test_another_major_version_is_a_dead_letter_whatever_else_it_holds(version: object) -> None:
    with pytest.raises(InvalidDocument) as refusal:
        decode(orjson.dumps({"schema": version, "quelle": "wire"}), NOW)
    assert (refusal.value.reason, refusal.value.field) == (Reason.UNKNOWN_SCHEMA, "schema")


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"op": "erase"}, Reason.UNKNOWN_OPERATION, "op"),
        ({"op": "retract"}, Reason.MISSING_FIELD, "updated_at"),
        ({"op": "retract", "updated_at": " "}, Reason.MISSING_FIELD, "updated_at"),
        ({"op": "retract", "updated_at": "soon"}, Reason.BAD_TIME, "updated_at"),
        ({"op": "retract", "updated_at": "2026-11-24T11:00:00Z", "title": None}, Reason.NO_TEXT, "title"),
        ({"body_type": "markdown"}, Reason.UNKNOWN_BODY_TYPE, "body_type"),
        ({"title": " ", "body": "<p>&nbsp;</p><img src='x'>", "body_type": "html"}, Reason.NO_TEXT, "body"),
        ({"kind": 7}, Reason.WRONG_TYPE, "kind"),
        ({"source": None}, Reason.MISSING_FIELD, "source"),
        ({"title": "a" * 2001}, Reason.TOO_LONG, "title"),
        ({"body": "a\0"}, Reason.BAD_CHARACTER, "body"),
        ({"published_at": "2099-01-01T00:00:00Z"}, Reason.TIME_OUT_OF_RANGE, "published_at"),
    ],
)
def test_a_refusal_names_its_field(fields: dict[str, object], reason: Reason, field: str) -> None:
    with pytest.raises(InvalidDocument) as refusal:
        decode(orjson.dumps(GOOD | fields), NOW)
    assert (refusal.value.reason, refusal.value.field) == (reason, field)


def test_a_retraction_has_the_identity_of_its_document() -> None:
    taken_back = {"op": "retract", "updated_at": "2026-11-24T11:00:00Z"}
    for names in ({"id": "1"}, {"url": "u"}, {}):
        original = document_in(orjson.dumps(GOOD | names), NOW)
        kept = {"source": "wire"} if names else GOOD
        retraction = decode(orjson.dumps(kept | names | taken_back), NOW)
        assert isinstance(retraction, Retraction)
        assert retraction.document_id == original.document_id
        assert retraction.content_digest != original.content_digest
