"""The embedded servers, each by itself: real programs, started, stopped, killed and started again."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import redis as redis_client
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from stream_worker.errors import ConfigurationError, ServerFailed
from stream_worker.local.kafka import Kafka
from stream_worker.local.ports import Ports
from stream_worker.local.postgres import Postgres
from stream_worker.local.process import wait_until_gone
from stream_worker.local.redis import Redis
from stream_worker.local.server import Server
from stream_worker.local.servers import Servers, start_all
from stream_worker.local.triton import Triton


@pytest.fixture
def redis_at(tmp_path: Path) -> Redis:
    return Redis(tmp_path, Ports.free().redis_port)


def test_postgres_keeps_what_it_committed_when_it_is_killed(postgres: Postgres) -> None:
    postgres.query("postgres", "CREATE TABLE kept (n int)")
    postgres.query("postgres", "INSERT INTO kept SELECT generate_series(1, 1000)")
    postgres.kill()
    postgres.start()
    assert postgres.query("postgres", "SELECT count(*) FROM kept") == "1000"


def test_postgres_is_as_durable_as_in_production(postgres: Postgres) -> None:
    assert postgres.query("postgres", "SHOW fsync") == "on"
    assert postgres.query("postgres", "SHOW synchronous_commit") == "on"


def test_postgres_does_not_run_as_root(postgres: Postgres) -> None:
    assert psutil.Process(postgres.process.pid).uids().effective != 0


def test_postgres_and_redis_refuse_clients_without_the_password(postgres: Postgres, redis_server: Redis) -> None:
    with pytest.raises(redis_client.AuthenticationError):
        redis_client.Redis(port=redis_server.port).ping()
    url = f"postgresql://finsentry:wrong@127.0.0.1:{postgres.port}/postgres"
    psql = Path(psutil.Process(postgres.process.pid).exe()).with_name("psql")
    done = subprocess.run([psql, url, "-c", "SELECT 1"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "password authentication failed" in done.stderr


def test_kafka_keeps_its_messages_when_it_is_killed(kafka: Kafka, topic_prefix: str) -> None:
    topic = f"{topic_prefix}kept"
    admin = AdminClient({"bootstrap.servers": kafka.address})
    for made in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        made.result(10)
    producer = Producer({"bootstrap.servers": kafka.address, "acks": "all"})
    for number in range(100):
        producer.produce(topic, str(number).encode())
    assert producer.flush(10) == 0
    kafka.kill()
    kafka.start()
    consumer = Consumer({"bootstrap.servers": kafka.address, "group.id": topic})
    assert _watermarks(consumer, topic) == (0, 100)
    consumer.close()


def _watermarks(consumer: Consumer, topic: str) -> tuple[int, int]:
    """The broker that has just come back may not lead its partitions yet."""
    deadline = time.monotonic() + 30
    while True:
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return low, high


def test_kafka_makes_no_topic_by_accident(kafka: Kafka, topic_prefix: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.address})
    found = admin.list_topics(f"{topic_prefix}accident", timeout=10).topics[f"{topic_prefix}accident"]
    assert found.error is not None
    assert f"{topic_prefix}accident" not in admin.list_topics(timeout=10).topics


def test_every_port_listens_on_loopback_only(servers: Servers) -> None:
    for server in servers:
        family = [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children(recursive=True)]
        listening = [c.laddr for p in family for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert {port for _, port in listening} >= set(server.ports.values()), server.title
        assert {address for address, _ in listening} <= {"127.0.0.1", "::ffff:127.0.0.1"}, server.title


def test_the_models_report_to_nobody(triton: Triton) -> None:
    stubs = psutil.Process(triton.process.pid).children()
    assert stubs
    assert {stub.environ()["ORT_DISABLE_TELEMETRY"] for stub in stubs} == {"1"}


@pytest.mark.parametrize("name", ["postgres", "redis", "kafka", "triton"])
def test_a_stopped_server_leaves_no_process_and_comes_back_on_its_port(servers: Servers, name: str) -> None:
    server: Server = getattr(servers, name)
    leader = psutil.Process(server.process.pid)
    family = [leader, *leader.children(recursive=True)]
    address = server.address
    server.stop()
    assert wait_until_gone(family, 0) == []
    assert not server.answers()
    server.start()
    assert server.address == address
    assert server.answers()


def test_a_taken_port_is_named_with_its_variable_and_nothing_is_left_running(
    tmp_path: Path, model_repository: Path
) -> None:
    ports = Ports.free()
    servers = Servers.at(tmp_path, ports, model_repository)
    with (
        socket.create_server(("127.0.0.1", ports.redis_port)),
        pytest.raises(ConfigurationError, match=rf"Port {ports.redis_port} .* FINSENTRY_REDIS_PORT"),
    ):
        start_all([servers.postgres, servers.redis])
    assert not servers.postgres.process.running()


def test_a_server_that_dies_while_starting_is_reported_with_its_last_words(redis_at: Redis) -> None:
    redis_at.prepare(lambda _: None)
    (redis_at.directory / "redis.conf").write_text("port not-a-number\n")
    redis_at.spawn()
    with pytest.raises(ServerFailed, match=r"Redis ended with exit status 1: .*log"):
        redis_at.wait_ready()


def test_servers_die_with_the_process_that_started_them(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", _STARTER, str(tmp_path), str(Ports.free().redis_port)], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    child = psutil.Process(int(starter.stdout.readline()))
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    assert wait_until_gone([child], 5) == []


_STARTER = """
import sys, time
from pathlib import Path
from stream_worker.local.process import wait_until_gone
from stream_worker.local.redis import Redis

server = Redis(Path(sys.argv[1]), int(sys.argv[2]))
server.start()
print(server.process.pid, flush=True)
time.sleep(60)
"""
