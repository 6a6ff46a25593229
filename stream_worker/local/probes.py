"""Whether a server answers. Each probe connects anew: a client that was refused waits out its back-off."""

import contextlib
import logging

import grpc
import redis
from tritonclient.grpc import service_pb2, service_pb2_grpc

from stream_worker.local.platform import require_package

_TIMEOUT_SECONDS = 1.0
_SILENT = logging.getLogger(f"{__name__}.librdkafka")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


def redis_answers(url: str) -> bool:
    """Whether Redis answers PING."""
    try:
        with redis.Redis.from_url(url, socket_timeout=_TIMEOUT_SECONDS, retry=None) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def kafka_answers(bootstrap: str) -> bool:
    """Whether Kafka sends metadata with at least one broker in it."""
    require_package("confluent_kafka", "confluent-kafka")
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}, logger=_SILENT)
    try:
        return bool(client.list_topics(timeout=_TIMEOUT_SECONDS).brokers)
    except KafkaException:
        return False


def triton_answers(address: str) -> bool:
    """Whether Triton and all its models are ready."""
    with contextlib.closing(grpc.insecure_channel(address)) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        try:
            return bool(stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=_TIMEOUT_SECONDS).ready)
        except grpc.RpcError:
            return False
