"""Whether a Kafka broker answers, asked with librdkafka."""

import logging

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

_SILENT = logging.getLogger(f"{__name__}.librdkafka")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


def broker_answers(bootstrap: str, timeout_seconds: float = 1.0) -> bool:
    """Whether `bootstrap` (host:port, …) sends metadata with at least one broker in it."""
    # A new client each time: one that was refused waits out its back-off.
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}, logger=_SILENT)
    try:
        return bool(client.list_topics(timeout=timeout_seconds).brokers)
    except KafkaException:
        return False
