"""How far each partition has been acknowledged: the only source of committed Kafka offsets."""

from collections.abc import Iterable

from stream_worker.pipelines.batch import Message


class Positions:
    """Offsets of the next message to read, per partition.

    Batches are acknowledged in the order in which their messages were delivered, and each partition is delivered in
    order: so one past the highest acknowledged offset has everything below it acknowledged.
    """

    def __init__(self) -> None:
        self._next: dict[tuple[str, int], int] = {}

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Everything up to these messages is done."""
        for message in messages:
            partition = message.topic, message.partition
            self._next[partition] = max(self._next.get(partition, 0), message.offset + 1)

    def reset(self) -> None:
        """Begin anew after partitions were assigned: what was read before is read again from the committed offset."""
        self._next.clear()

    def committable(self, topic: str, partition: int) -> int | None:
        """The offset to commit; None where nothing was acknowledged since the reset."""
        return self._next.get((topic, partition))
