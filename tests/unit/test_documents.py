"""Bytes in, a document or a reason out."""

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_worker.domain.documents import Document, decode, message_digest
from stream_worker.domain.refusals import Reason
from stream_worker.errors import InvalidDocument
from tests.decoding import document_in

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GOOD = {"source": "wire", "kind": "news", "published_at": "2026-11-24T10:00:00Z", "title": "Profit up"}


def _decode(**fields: object) -> Document:
    return document_in(orjson.dumps(GOOD | fields), NOW)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (None, Reason.EMPTY),
        (b"", Reason.EMPTY),
        (b" \n", Reason.EMPTY),
        (b"\xff\xfe{}", Reason.NOT_UTF8),
        (b'{"source": "a\xc3"}', Reason.NOT_UTF8),
        (b'{"source": ', Reason.NOT_JSON),
        (b'{"source": NaN}', Reason.NOT_JSON),
        (b'\xef\xbb\xbf{"source": "a"}', Reason.NOT_JSON),
        (b'{"title": "\\ud800"}', Reason.NOT_JSON),
        (b"[" * 100 + b"]" * 100, Reason.TOO_DEEP),
        (b'{"a":' * 5000, Reason.TOO_DEEP),
        (b"[]", Reason.NOT_AN_OBJECT),
        (b"42", Reason.NOT_AN_OBJECT),
        (b"null", Reason.NOT_AN_OBJECT),
        (b"{}", Reason.MISSING_FIELD),
    ],
)
def test_what_is_no_json_object_has_its_reason(message: bytes | None, reason: Reason) -> None:
    with pytest.raises(InvalidDocument) as refusal:
        decode(message, NOW)
    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"source": None}, Reason.MISSING_FIELD),
        ({"source": " "}, Reason.MISSING_FIELD),
        ({"source": 7}, Reason.WRONG_TYPE),
        ({"kind": "rumour"}, Reason.UNKNOWN_KIND),
        ({"kind": None}, Reason.MISSING_FIELD),
        ({"published_at": None}, Reason.MISSING_FIELD),
        ({"published_at": 1764000000}, Reason.WRONG_TYPE),
        ({"published_at": "yesterday"}, Reason.BAD_TIME),
        ({"published_at": "2026-11-24T10:00:00"}, Reason.BAD_TIME),
        ({"published_at": "0001-01-01T00:00:00+23:59"}, Reason.BAD_TIME),
        ({"published_at": "2099-01-01T00:00:00Z"}, Reason.TIME_OUT_OF_RANGE),
        ({"published_at": "1889-01-01T00:00:00Z"}, Reason.TIME_OUT_OF_RANGE),
        ({"updated_at": "2099-01-01T00:00:00Z"}, Reason.TIME_OUT_OF_RANGE),
        ({"title": None}, Reason.NO_TEXT),
        ({"title": ""}, Reason.NO_TEXT),
        ({"title": ["Profit"]}, Reason.WRONG_TYPE),
        ({"title": "Pro\0fit"}, Reason.BAD_CHARACTER),
        ({"title": "a" * 2001}, Reason.TOO_LONG),
        ({"text": "a" * 900_000}, Reason.TOO_LONG),
        ({"author": {"name": "A"}}, Reason.WRONG_TYPE),
    ],
)
def test_a_bad_field_has_its_reason(fields: dict[str, object], reason: Reason) -> None:
    with pytest.raises(InvalidDocument) as refusal:
        _decode(**fields)
    assert refusal.value.reason == reason


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_refused(message: bytes) -> None:
    reason = None
    try:
        decode(message, NOW)
    except InvalidDocument as refusal:
        reason = refusal.reason
    assert reason is None or reason in set(Reason)


def test_brackets_inside_strings_are_not_depth() -> None:
    assert _decode(title="[" * 100 + '\\"' + "{" * 100).title == "[" * 100 + '\\"' + "{" * 100


def test_identity_is_source_and_id_else_url_else_text_and_time() -> None:
    assert _decode(id="1", url="u").document_id == _decode(id="1", url="v", title="Other").document_id
    assert _decode(url="u").document_id == _decode(url="u", title="Other").document_id
    assert _decode().document_id == _decode().document_id
    distinct = [
        _decode(id="1"), _decode(url="1"), _decode(), _decode(title="Other"),
        _decode(id="1", source="x"), _decode(published_at="2026-11-24T10:00:01Z"),
    ]  # fmt: skip
    assert len({document.document_id for document in distinct}) == len(distinct)


def test_a_document_that_a_replay_moves_in_time_stays_the_same_document_and_becomes_another_revision() -> None:
    original = _decode()
    moved = _decode(published_at="2026-11-24T11:00:00Z", rebased_from="2026-11-24T10:00:00Z")
    moved_again = _decode(published_at="2026-11-24T11:30:00Z", rebased_from="2026-11-24T10:00:00Z")
    assert original.document_id == moved.document_id == moved_again.document_id
    assert len({original.content_digest, moved.content_digest, moved_again.content_digest}) == 3
    assert moved == _decode(published_at="2026-11-24T11:00:00Z", rebased_from="2026-11-24T10:00:00Z")
    taken_back = {"op": "retract", "updated_at": NOW, "published_at": NOW, "rebased_from": GOOD["published_at"]}
    retraction = decode(orjson.dumps(GOOD | taken_back), NOW)
    assert retraction.document_id == original.document_id


def test_fields_that_are_not_content_make_no_revision() -> None:
    first = _decode(id="1", ticker_hint="AAPL", channel="a", url="u")
    again = _decode(id="1", ticker_hint="GOOG", channel="b", url="v")
    assert (first.document_id, first.content_digest) == (again.document_id, again.content_digest)


@pytest.mark.parametrize("change", [{"title": "Loss"}, {"updated_at": "2026-11-24T11:00:00Z"}, {"author": "A"}])
def test_other_content_is_another_revision(change: dict[str, object]) -> None:
    assert _decode(id="1").content_digest != _decode(**{"id": "1", **change}).content_digest


def test_the_same_instant_in_another_zone_is_the_same_content() -> None:
    elsewhere = _decode(id="1", published_at="2026-11-24T12:00:00+02:00")
    assert elsewhere.content_digest == _decode(id="1").content_digest
    assert elsewhere.published_at.tzinfo is UTC


def test_title_and_body_are_one_text() -> None:
    assert _decode(body="More.").raw_text == "Profit up\nMore."
    assert _decode(title=None, text="Profit").raw_text == "Profit"
    assert _decode(title=None, text="Profit", body="More.").raw_text == "Profit\nMore."


def test_a_message_without_value_has_the_digest_of_nothing() -> None:
    assert message_digest(None) == message_digest(b"")
    assert len(message_digest(b"x")) == 16


def test_a_body_in_html_is_reduced_to_its_text() -> None:
    document = _decode(body="<p>Profit rose 5&nbsp;% at <b>A&amp;B</b>.<p>More &lt;later&gt;", body_type="html")
    assert document.body == "Profit rose 5\xa0% at A&B.\n\nMore <later>"
    assert document.raw_text[document.body_start or 0 :] == document.body
    only = _decode(title=None, text="<i>x</i>", body_type="html")
    assert (only.title, only.body) == (None, "x")
    assert _decode(title="<i>x</i>", body="y", body_type="html").title == "<i>x</i>"


def test_id_and_digest_of_html_come_from_the_fields_as_they_came() -> None:
    one, other = (_decode(body=body, body_type="html") for body in ("<p>a</p>", "<div>a</div>"))
    assert one.body == other.body
    assert one.content_digest != other.content_digest
    assert one.document_id != other.document_id
    as_text = _decode(body="<p>a</p>")
    assert one.document_id == as_text.document_id
    assert one.content_digest != as_text.content_digest


def test_html_without_text_leaves_the_title() -> None:
    assert _decode(body="<img src='x'>&nbsp;", body_type="html").body is None
