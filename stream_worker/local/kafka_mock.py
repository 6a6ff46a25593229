"""librdkafka's mock cluster in place of Kafka: for trying things out where Java cannot run, never for data.

It keeps everything in memory and forgets it at its end. Run as a module, it is the cluster.
"""

import signal
import sys
from pathlib import Path

from stream_worker.errors import ServerFailed
from stream_worker.local.platform import require_package
from stream_worker.local.probes import kafka_answers
from stream_worker.local.process import Program
from stream_worker.local.server import Progress, Server


class MockKafka(Server):
    """Takes ports of its own choice; what it held is gone when it dies, so that it cannot be restarted."""

    name = "kafka-mock"
    title = "Kafka's mock cluster"
    ready_seconds = 20.0
    restartable = False

    def __init__(self, home: Path, topics: list[str]) -> None:
        super().__init__(home, {})
        self._topics = topics
        self._bootstrap = self.directory / "bootstrap"

    @property
    def address(self) -> str:
        """host:port, known once it answers."""
        try:
            return self._bootstrap.read_text()
        except FileNotFoundError:
            raise ServerFailed(f"{self.title} does not run.") from None

    def prepare(self, progress: Progress) -> None:
        """Forget the address of an earlier run."""
        require_package("confluent_kafka", "confluent-kafka")
        self.directory.mkdir(parents=True, exist_ok=True)
        self._bootstrap.unlink(missing_ok=True)

    def program(self) -> Program:
        """This module."""
        command = [sys.executable, "-m", "stream_worker.local.kafka_mock", str(self._bootstrap), *self._topics]
        return Program(self.title, command)

    def answers(self) -> bool:
        """Has written its address and sends metadata."""
        return self._bootstrap.exists() and kafka_answers(self.address)


def serve(bootstrap: Path, topics: list[str]) -> None:
    """Be the cluster until a signal comes; write its address to `bootstrap`."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "allow.auto.create.topics": True})
    # It cannot be told to make topics, but makes those that it is asked for.
    for topic in topics:
        producer.list_topics(topic, timeout=10)
    brokers = producer.list_topics(timeout=10).brokers.values()
    unfinished = bootstrap.with_suffix(".unfinished")
    unfinished.write_text(",".join(f"{broker.host}:{broker.port}" for broker in brokers))
    unfinished.replace(bootstrap)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    serve(Path(sys.argv[1]), sys.argv[2:])
