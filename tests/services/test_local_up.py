"""`finsentry up`, `status` and `down` as a person runs them, with the servers only."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import psutil
import pytest

from stream_worker.local.ports import Ports
from stream_worker.local.probes import redis_answers
from stream_worker.local.process import wait_until_gone


@dataclass
class Home:
    """A home of the test's own, with its environment."""

    folder: Path
    environment: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "stream_worker.cli", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=120)

    def up(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start `finsentry up --servers-only --json` and wait for its line of addresses."""
        command = [sys.executable, "-m", "stream_worker.cli", "up", "--servers-only", "--json", *arguments]
        with (self.folder / "up.err").open("w") as errors:
            process = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (self.folder / "up.err").read_text()
        assert set(json.loads(line)) == {"database_url", "redis_url", "kafka_bootstrap", "triton_url"}
        return process

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return found

    def family(self) -> list[psutil.Process]:
        leaders = [psutil.Process(process["pid"]) for process in self.status()["processes"].values()]
        return [process for leader in leaders for process in (leader, *leader.children(recursive=True))]


@pytest.fixture
def home(tmp_path: Path, model_repository: Path) -> Iterator[Home]:
    """Ended with `finsentry down`, whatever the test left."""
    ports = Ports.free()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FINSENTRY_")}
    environment |= {f"FINSENTRY_{field.name.upper()}": str(getattr(ports, field.name)) for field in fields(ports)}
    environment |= {"FINSENTRY_HOME": str(tmp_path), "FINSENTRY_MODEL_REPOSITORY": str(model_repository)}
    made = Home(tmp_path, environment)
    yield made
    made.run("down")


def _end(process: "subprocess.Popen[str]", number: signal.Signals) -> int:
    process.send_signal(number)
    code = process.wait(60)
    assert process.stdout is not None
    process.stdout.close()
    return code


def test_ctrl_c_stops_everything_and_keeps_the_data(home: Home) -> None:
    up = home.up()
    assert home.run("status").returncode == 0
    family = home.family()
    assert len(family) > 4
    assert _end(up, signal.SIGINT) == 0
    assert wait_until_gone(family, 15) == []
    assert (home.folder / "postgres" / "data" / "PG_VERSION").exists()
    assert home.run("status").returncode == 1
    assert home.run("down").stdout.startswith("Nothing was running")


def test_a_killed_up_takes_its_children_along_and_the_next_one_starts(home: Home) -> None:
    up = home.up()
    family = home.family()
    _end(up, signal.SIGKILL)
    assert wait_until_gone(family, 15) == []
    assert home.run("status").returncode == 1
    assert _end(home.up(), signal.SIGTERM) == 0


def test_a_second_up_in_the_same_home_is_refused_and_down_ends_the_first(home: Home) -> None:
    up = home.up()
    family = home.family()
    second = home.run("up", "--servers-only")
    assert second.returncode == 78
    assert "finsentry is up already in" in second.stderr
    assert home.run("status").returncode == 0
    assert home.run("down").stdout == "Stopped.\n"
    assert up.wait(60) == 0
    assert up.stdout is not None
    up.stdout.close()
    assert wait_until_gone(family, 15) == []


@pytest.mark.parametrize("name", ["postgres", "redis", "kafka", "triton"])
def test_a_server_that_is_killed_comes_back_on_its_own(home: Home, name: str) -> None:
    up = home.up()
    killed = home.status()["processes"][name]["pid"]
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while True:
        found = home.status()
        if found["processes"][name]["restarts"] and found["ok"]:
            break
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    assert found["processes"][name]["pid"] != killed
    _end(up, signal.SIGTERM)


def test_a_taken_port_ends_up_with_one_sentence_and_nothing_running(home: Home) -> None:
    other = home.up("--kafka", "mock")
    environment = {**home.environment, "FINSENTRY_HOME": str(home.folder / "second")}
    second = Home(home.folder / "second", environment).run("up", "--servers-only")
    assert second.returncode == 78
    port = home.environment["FINSENTRY_POSTGRES_PORT"]
    sentences = [line for line in second.stderr.splitlines() if line.startswith("finsentry: ")]
    assert sentences == [
        f"finsentry: Port {port} for Postgres is taken: end the program that listens there, or set "
        "FINSENTRY_POSTGRES_PORT to a free port."
    ]
    assert not (home.folder / "second" / "stack.json").exists()
    _end(other, signal.SIGTERM)


def test_a_server_whose_address_is_set_is_used_and_not_started(home: Home, redis_url: str) -> None:
    home.environment["FINSENTRY_REDIS_URL"] = redis_url
    up = home.up("--kafka", "mock")
    found = home.status()
    assert set(found["processes"]) == {"postgres", "kafka-mock", "triton"}
    assert found["servers"]["redis"]["problem"] == ""
    _end(up, signal.SIGTERM)
    home.run("down")
    assert redis_answers(redis_url), "a server that was not started here was ended"


def test_the_death_of_the_mock_cluster_ends_the_stack(home: Home) -> None:
    up = home.up("--kafka", "mock")
    family = home.family()
    os.kill(home.status()["processes"]["kafka-mock"]["pid"], signal.SIGKILL)
    assert up.wait(60) == 1
    assert up.stdout is not None
    up.stdout.close()
    assert wait_until_gone(family, 15) == []
    assert "Kafka's mock cluster ended with SIGKILL" in (home.folder / "up.err").read_text()
