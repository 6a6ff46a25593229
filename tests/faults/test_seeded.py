"""`finsentry up` under a mixture of good, repeated, corrected and bad documents while everything is killed in turn."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from stream_worker.ingest.mixture import mix
from stream_worker.local.ports import Ports
from tests.faults.seeded import KINDS, strike_at_random

DOCUMENTS = 6_000
#: About as long as the faults take, so that all of them strike while documents come.
STREAM_SECONDS = 75.0


class Stack:
    """A running `finsentry up` in a home of its own."""

    def __init__(self, home: Path, model_repository: Path) -> None:
        ports = Ports.free()
        self.home = home
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("FINSENTRY_")}
        self._environment |= {f"FINSENTRY_{f.name.upper()}": str(getattr(ports, f.name)) for f in fields(ports)}
        self._environment |= {"FINSENTRY_HOME": str(home), "FINSENTRY_MODEL_REPOSITORY": str(model_repository)}
        up = self._command("up", "--no-dashboard", "--source", "none", "--json")
        self.process = subprocess.Popen(up, env=self._environment, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline(), "finsentry up failed"

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = self._command(*arguments)
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False, timeout=120)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        command = self._command(*arguments)
        return subprocess.Popen(command, env=self._environment, stdout=subprocess.PIPE, text=True)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(90)
        assert self.process.stdout is not None
        self.process.stdout.close()

    @staticmethod
    def _command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "stream_worker.cli", *arguments]


@pytest.fixture
def stack(tmp_path: Path, model_repository: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / "home", model_repository)
    yield stack
    stack.stop()


def _originals() -> list[bytes]:
    start = datetime.now(UTC) - timedelta(hours=3)
    return [
        orjson.dumps(
            {
                "source": "test",
                "kind": "news",
                "published_at": start + timedelta(seconds=number),
                "title": f"Apple {'beats' if number % 3 else 'misses'} forecast number {number}",
                "url": f"https://example.org/{number}",
            }
        )
        for number in range(DOCUMENTS)
    ]


def _verified(stack: Stack, lines: int) -> dict[str, int]:
    """The checker's counts, once every message has a receipt, is committed, and no mark is left."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        found = stack.run("verify", "--bytes", "--json")
        if found.returncode == 0:
            report = json.loads(found.stdout)
            numbers: dict[str, int] = report["counts"]
            receipts = sum(numbers[f"receipts {outcome}"] for outcome in ("accepted", "duplicate", "dead_letter"))
            lag = sum(partition["lag"] for partition in report["partitions"])
            if receipts >= lines and (lag, numbers["pending marks"]) == (0, 0):
                return numbers
        else:
            assert not found.stdout, found.stdout  # violations; no output means that a server is still away
        time.sleep(1)
    raise AssertionError(f"not done in time: {found.stdout} {found.stderr}")


def test_faults_of_every_kind_in_the_middle_change_no_count(stack: Stack, tmp_path: Path) -> None:
    lines, counts = mix(_originals(), seed=1, repeats=500, junk_lines=100, corrections=100)
    mixture = tmp_path / "mixture.jsonl"
    mixture.write_bytes(b"".join(line + b"\n" for line in lines))
    kinds = set(KINDS) - {"feeds killed"}
    with stack.start("replay", str(mixture), "--rate", str(len(lines) / STREAM_SECONDS), "--json") as replay:
        struck = list(strike_at_random(stack.home, faults=len(kinds), seed=3, pause=(0.2, 1.5)))
        assert set(struck) == kinds
        sent, _ = replay.communicate(timeout=120)
    assert replay.returncode == 0
    assert json.loads(sent)["acknowledged"] == counts.lines
    numbers = _verified(stack, counts.lines)
    assert numbers["receipts accepted"] == counts.accepted
    assert numbers["documents"] == counts.documents
    assert numbers["revisions"] == counts.revisions
    # A producer that broke sends again what it is not sure of.
    assert numbers["receipts duplicate"] >= counts.duplicate
    assert numbers["receipts dead_letter"] >= counts.dead_letter
