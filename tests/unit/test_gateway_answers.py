"""Answers remembered by Idempotency-Key: the same once more, and never without end."""

import pytest
from starlette.exceptions import HTTPException

from stream_worker.ingest.gateway import answers as answers_module
from stream_worker.ingest.gateway.answers import Answer, Answers

ANSWER = Answer(202, b"{}")


def _status(answers: Answers, name: tuple[str, str], fingerprint: bytes) -> int:
    with pytest.raises(HTTPException) as raised:
        answers.begin(name, fingerprint)
    return raised.value.status_code


def test_while_the_first_is_under_way_the_second_is_told_to_wait() -> None:
    answers = Answers(10)
    assert answers.begin(("", "a"), b"1") is None
    assert _status(answers, ("", "a"), b"1") == 409
    assert _status(answers, ("", "a"), b"2") == 422
    answers.finish(("", "a"), ANSWER)
    assert answers.begin(("", "a"), b"1") == ANSWER
    assert _status(answers, ("", "a"), b"2") == 422


def test_a_request_that_failed_leaves_its_key_free() -> None:
    answers = Answers(10)
    answers.begin(("", "a"), b"1")
    answers.finish(("", "a"), None)
    assert answers.begin(("", "a"), b"2") is None


def test_callers_have_keys_of_their_own() -> None:
    answers = Answers(10)
    answers.begin(("wire", "a"), b"1")
    assert answers.begin(("forum", "a"), b"2") is None


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x07"])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    assert _status(Answers(10), ("", key), b"1") == 400


def test_the_oldest_answers_make_room() -> None:
    answers = Answers(3)
    for number in range(5):
        answers.begin(("", str(number)), b"1")
        answers.finish(("", str(number)), ANSWER)
    assert [answers.begin(("", str(number)), b"1") for number in (2, 3, 4)] == [ANSWER] * 3
    assert answers.begin(("", "0"), b"1") is None


def test_large_answers_make_room_by_their_size() -> None:
    answers = Answers(1000)
    large = Answer(202, b"x" * 10_000_000)
    for number in range(5):
        answers.begin(("", str(number)), b"1")
        answers.finish(("", str(number)), large)
    assert answers.begin(("", "4"), b"1") == large
    assert answers.begin(("", "0"), b"1") is None


def test_an_answer_is_forgotten_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers_module, "KEPT_SECONDS", -1.0)
    answers = Answers(10)
    answers.begin(("", "a"), b"1")
    answers.finish(("", "a"), ANSWER)
    assert answers.begin(("", "a"), b"2") is None
