"""Every kind of junk is refused, each for its own reason."""

import random
from datetime import UTC, datetime

import pytest

from stream_worker.domain.documents import decode
from stream_worker.domain.refusals import Reason
from stream_worker.errors import InvalidDocument
from stream_worker.ingest.junk import KINDS, encode, junk
from stream_worker.ingest.topics import MAX_MESSAGE_BYTES
from tests.decoding import document_in

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
GOOD = {
    "source": "test-wire",
    "kind": "news",
    "published_at": "2026-03-04T11:59:00Z",
    "url": "https://example.com/1",
    "title": "Café chain says profit rose 5%",
}

EXPECTED = {
    Reason.EMPTY: {"empty_line", "blank_line"},
    Reason.NOT_UTF8: {"random_bytes", "broken_utf8", "latin1", "utf16"},
    Reason.NOT_JSON: {
        *("byte_order_mark", "truncated", "plain_text", "single_quotes", "two_objects", "nan_literal"),
        *("lone_surrogate", "invalid_escape"),
    },
    Reason.TOO_DEEP: {"deep_nesting"},
    Reason.NOT_AN_OBJECT: {"array", "number", "string", "null"},
    Reason.MISSING_FIELD: {"empty_object", "no_source", "no_kind", "no_time"},
    Reason.NO_TEXT: {"no_text", "blank_text"},
    Reason.UNKNOWN_KIND: {"unknown_kind"},
    Reason.WRONG_TYPE: {"number_as_title", "list_as_source", "object_as_body", "number_as_time"},
    Reason.BAD_CHARACTER: {"null_character"},
    Reason.BAD_TIME: {"words_as_time", "month_13"},
    Reason.TIME_OUT_OF_RANGE: {"year_2099", "year_1889"},
    Reason.TOO_LONG: {"huge_text", "long_title"},
}


def test_the_document_that_junk_is_made_of_is_good() -> None:
    assert document_in(encode(GOOD), NOW).title == GOOD["title"]


def test_every_kind_has_an_expected_reason() -> None:
    assert {kind for kinds in EXPECTED.values() for kind in kinds} == set(KINDS)


@pytest.mark.parametrize(("reason", "kind"), [(reason, kind) for reason, kinds in EXPECTED.items() for kind in kinds])
def test_junk_is_refused_for_the_reason_of_its_kind(reason: Reason, kind: str) -> None:
    for seed in range(30):
        message = junk(kind, GOOD, random.Random(seed))
        with pytest.raises(InvalidDocument) as refused:
            decode(message, NOW)
        assert refused.value.reason == reason, message[:200]


@pytest.mark.parametrize("kind", KINDS)
def test_junk_is_one_line_that_kafka_takes(kind: str) -> None:
    message = junk(kind, GOOD, random.Random(1))
    assert b"\n" not in message
    assert len(message) < MAX_MESSAGE_BYTES - 100
