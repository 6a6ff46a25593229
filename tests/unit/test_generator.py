"""The generator of headlines."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice

import orjson
import pytest

from stream_worker.domain.documents import Document, Kind, decode
from stream_worker.errors import InvalidDocument
from stream_worker.ingest.due import Due
from stream_worker.ingest.generator import Company, generate
from tests.decoding import document_in

START = datetime(2026, 3, 4, 12, tzinfo=UTC)
COMPANIES = [Company("Apple", "AAPL"), Company("Boeing", "BA"), Company("Ford", "F"), Company("Intel", "INTC")]


def _messages(count: int, *, seed: int = 1, start: datetime = START, rate: float = 8.0) -> list[Due]:
    return list(islice(generate(seed, start, rate, COMPANIES), count))


def _documents(messages: list[Due]) -> list[Document]:
    documents = []
    for message in messages:
        try:
            documents.append(document_in(message.value, START + timedelta(seconds=message.after_seconds)))
        except InvalidDocument:
            continue
    return documents


@pytest.fixture(scope="module")
def messages() -> list[Due]:
    return _messages(5_000)


@pytest.fixture(scope="module")
def documents(messages: list[Due]) -> list[Document]:
    return _documents(messages)


def test_the_same_seed_and_start_make_the_same_messages() -> None:
    assert _messages(500) == _messages(500)
    assert _messages(500) != _messages(500, seed=2)


def test_two_runs_of_the_same_seed_make_different_documents() -> None:
    later = [m.value for m in _messages(300, start=START + timedelta(days=1))]
    ids = {d.document_id for d in _documents(_messages(300))}
    assert not any(decode(m, START + timedelta(days=2)).document_id in ids for m in later if _is_good(m))


def _is_good(message: bytes | None) -> bool:
    try:
        decode(message, START + timedelta(days=2))
    except InvalidDocument:
        return False
    return True


@pytest.mark.parametrize("rate", [2.0, 8.0, 30.0])
def test_messages_come_at_the_rate_that_was_asked_for_and_in_bursts(rate: float) -> None:
    messages = _messages(round(1_200 * rate), rate=rate)
    due = [message.after_seconds for message in messages]
    assert due == sorted(due)
    assert len(due) / due[-1] == pytest.approx(rate, rel=0.15)
    per_second = Counter(int(second) for second in due)
    mean, variance = rate, sum((per_second[s] - rate) ** 2 for s in range(int(due[-1]))) / due[-1]
    assert variance > 1.2 * mean, "no burstier than chance"


def test_documents_are_dated_just_before_they_are_published(messages: list[Due]) -> None:
    delays = []
    for message in messages:
        try:
            document = document_in(message.value, START + timedelta(days=1))
        except InvalidDocument:
            continue
        newest = document.updated_at or document.published_at
        delays.append((START + timedelta(seconds=message.after_seconds) - newest).total_seconds())
    fresh = [delay for delay in delays if delay < 1]
    assert min(delays) > 0
    assert len(fresh) > 0.9 * len(delays)


def test_a_few_per_cent_are_junk_of_many_kinds(messages: list[Due]) -> None:
    reasons = []
    for message in messages:
        try:
            decode(message.value, START + timedelta(days=1))
        except InvalidDocument as refused:
            reasons.append(refused.reason)
    assert 0.01 < len(reasons) / len(messages) < 0.05
    assert len(set(reasons)) >= 8
    assert max(len(message.value or b"") for message in messages) < 50_000


def test_there_are_repeats_corrections_copies_and_retweets(documents: list[Document]) -> None:
    revisions = Counter((d.document_id, d.content_digest) for d in documents)
    revised = Counter(document_id for document_id, _ in revisions)
    titles = [d.title or "" for d in documents]
    assert sum(times - 1 for times in revisions.values()) > 50
    assert sum(times - 1 for times in revised.values()) > 50
    assert sum(title.startswith("UPDATE ") for title in titles) > 50
    assert sum((d.body or "").startswith("RT @") for d in documents) > 50


def test_there_are_comments_with_cashtags_foreign_headlines_and_markup(documents: list[Document]) -> None:
    comments = [d for d in documents if d.kind is Kind.COMMENT]
    titles = [d.title for d in documents if d.title is not None]
    assert 0.2 < len(comments) / len(documents) < 0.7
    assert sum("$AAPL" in d.raw_text for d in comments) > 20
    assert sum("<script>" in title for title in titles) > 3
    assert sum(any(ord(c) > 0x2FF for c in title) for title in titles) > 50
    assert {"de", "ja", "ar"} <= {d.language for d in documents}


def test_every_sentence_is_filled_in(messages: list[Due]) -> None:
    for message in messages:
        assert message.value is not None
        text = message.value.decode(errors="replace")
        assert "{company}" not in text
        assert not any(slot in text for slot in ("{symbol}", "{other}", "{headline}", "{percent}", "{place}"))


def test_a_correction_keeps_the_identity_of_what_it_corrects(documents: list[Document]) -> None:
    corrections = [d for d in documents if d.updated_at is not None]
    originals = {d.document_id for d in documents if d.updated_at is None}
    assert corrections
    assert all(d.document_id in originals and d.title and "CORRECTED" in d.title for d in corrections)


def test_documents_are_json_in_utf8_with_text_readable_as_it_is() -> None:
    foreign = [m.value for m in _messages(2_000) if m.value and "業績".encode() in m.value]
    assert foreign
    assert all(orjson.loads(value)["title"] for value in foreign)
