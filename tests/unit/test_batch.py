"""Cutting what was read into batches."""

from stream_worker.pipelines.batch import Message, cut


def _messages(*sizes: int) -> list[Message]:
    return [Message("documents-backfill", 0, offset, None, b"x" * size) for offset, size in enumerate(sizes)]


def test_batches_hold_no_more_bytes_than_they_may_and_keep_the_order() -> None:
    messages = _messages(40, 60, 1, 99, 100)
    assert list(cut(messages, 100)) == [messages[:2], messages[2:4], messages[4:]]


def test_a_message_over_the_limit_is_a_batch_by_itself() -> None:
    messages = _messages(1, 500, 1)
    assert list(cut(messages, 100)) == [messages[:1], messages[1:2], messages[2:]]


def test_small_messages_and_such_without_a_value_are_one_batch_and_nothing_is_none() -> None:
    messages = [*_messages(1, 2), Message("documents-backfill", 0, 2, b"key", None)]
    assert list(cut(messages, 100)) == [messages]
    assert list(cut([], 100)) == []
