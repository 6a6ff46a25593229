"""Faust fetches, groups and rebalances; acknowledgement is ours.

Faust 0.15 computes the offset to commit from its own acks, and loses messages by it (its `_new_offset` is off by one
after a gap, and a message of an old generation counts as done), and it waits without limit for acks at a rebalance.
This consumer commits the pipeline's own contiguous positions instead, and gives a rebalance or stop a deadline.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from faust.assignor import PartitionAssignor
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from stream_worker.pipelines.positions import Positions

COMMIT_SECONDS = 5.0

#: Finishes or abandons what was read; nothing is acknowledged after it returns.
Drain = Callable[[], Awaitable[None]]
#: Called with what was assigned, before any of it is read.
Assigned = Callable[[Iterable[TP]], None]


class PositionConsumer(driver.Consumer):
    """A Kafka consumer whose committed offsets are `Positions`."""

    positions: Positions
    drain: Drain
    assigned: Assigned

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return iter(tp for tp in self.assignment() if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self.positions.committable(tp.topic, tp.partition)

    async def wait_empty(self) -> None:
        """Called when partitions are revoked and when the consumer stops; ends within the drain's deadline."""
        await self.drain()
        with suppress(TimeoutError):
            # Kafka may be away; what is not committed is read again, and its receipts are known.
            async with asyncio.timeout(COMMIT_SECONDS):
                await self.commit()
        self._unacked_messages.clear()

    async def on_partitions_assigned(self, assigned: Iterable[TP], generation_id: int = 0) -> None:
        """Reading begins anew at the committed offsets."""
        self.positions.reset()
        self.assigned(assigned)
        await super().on_partitions_assigned(assigned, generation_id)


def transport_with(positions: Positions, drain: Drain, assigned: Assigned) -> type[driver.Transport]:
    """Faust makes its consumer itself, from a class: this class, bound to one pipeline."""
    consumer = type(
        "Consumer",
        (PositionConsumer,),
        {"positions": positions, "drain": staticmethod(drain), "assigned": staticmethod(assigned)},
    )
    return type("Transport", (driver.Transport,), {"Consumer": consumer})


def assignor_with(missing: Callable[[str], None]) -> type[PartitionAssignor]:
    """Faust assigns nothing of a topic that its broker does not know yet (it has just come back), and never asks again.

    This assignor tells `missing` besides, in the consumer's thread, so that the worker can end and join anew.
    """

    class Assignor(PartitionAssignor):
        @classmethod
        def _get_copartitioned_groups(cls, topics: set[str], cluster: Any, subscriptions: Any) -> Any:
            for topic in topics:
                if not cluster.partitions_for_topic(topic):
                    missing(topic)
            return super()._get_copartitioned_groups(topics, cluster, subscriptions)

    return Assignor
