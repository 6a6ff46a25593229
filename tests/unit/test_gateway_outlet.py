"""What the gateway concludes about Kafka from a publication."""

import pytest

from stream_worker.domain.lanes import Lane
from stream_worker.errors import Unavailable
from stream_worker.ingest.gateway.outlet import Outlet
from stream_worker.progress import Progress
from stream_worker.settings import Settings


async def test_nothing_to_publish_needs_no_kafka_and_is_no_acknowledgement() -> None:
    outlet = Outlet(Settings(), Progress())
    assert await outlet.publish(Lane.LIVE, []) == []
    with pytest.raises(Unavailable, match="Kafka does not answer"):
        await outlet.check()
