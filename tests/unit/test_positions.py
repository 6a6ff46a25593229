"""What may be committed to Kafka."""

from stream_worker.pipelines.batch import Message
from stream_worker.pipelines.positions import Positions


def _messages(*offsets: int, partition: int = 0) -> list[Message]:
    return [Message("documents", partition, offset, None, b"") for offset in offsets]


def test_nothing_is_committable_before_an_acknowledgement() -> None:
    assert Positions().committable("documents", 0) is None


def test_the_position_is_one_past_the_last_acknowledged_message_of_each_partition() -> None:
    positions = Positions()
    positions.acknowledge(_messages(5, 6, 9) + _messages(2, partition=1))
    assert positions.committable("documents", 0) == 10
    assert positions.committable("documents", 1) == 3


def test_a_repeat_never_moves_a_position_back() -> None:
    positions = Positions()
    positions.acknowledge(_messages(9))
    positions.acknowledge(_messages(3))
    assert positions.committable("documents", 0) == 10


def test_a_new_assignment_starts_from_nothing() -> None:
    positions = Positions()
    positions.acknowledge(_messages(9))
    positions.reset()
    assert positions.committable("documents", 0) is None
