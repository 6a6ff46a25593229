"""The supervisor's decisions, over real processes and a clock of the test's own."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stream_worker.errors import ConfigurationError, ServerFailed
from stream_worker.local.process import ChildProcess, Program
from stream_worker.local.services import Service
from stream_worker.local.state import Condition
from stream_worker.local.supervisor import LONGEST_PAUSE_SECONDS, Supervisor


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Bench:
    """A supervisor, what it said, and services made of a line of Python each."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    said: list[str] = field(default_factory=list)
    changes: list[int] = field(default_factory=list)
    supervisor: Supervisor = field(init=False)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self.clock, self.said.append, lambda: self.changes.append(1))

    def watch(self, code: str, *, has_an_end: bool = False, restartable: bool = True) -> Service:
        program = Program("the probe", [sys.executable, "-I", "-S", "-c", code], has_an_end=has_an_end, grace_seconds=5)
        service = Service("probe", "the probe", ChildProcess(program, self.folder / "probe.log"), restartable)
        service.spawn()
        self.supervisor.watch(service)
        return service

    def check_after_its_end(self, service: Service) -> None:
        assert service.process.wait(10) is not None
        self.supervisor.check()

    def condition(self) -> Condition:
        return self.supervisor.records()["probe"].condition


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_process_that_dies_is_started_again_after_a_pause(bench: Bench) -> None:
    service = bench.watch("raise SystemExit(3)")
    first = service.process.pid
    bench.check_after_its_end(service)
    assert bench.condition() is Condition.WAITING
    assert bench.said == ["the probe ended with exit status 3; starting it again in 0.5 s"]
    bench.clock.now += 0.4
    bench.supervisor.check()
    assert service.process.pid == first
    bench.clock.now += 0.2
    bench.supervisor.check()
    assert service.process.pid != first
    assert bench.supervisor.records()["probe"].restarts == 1


def test_the_pause_doubles_up_to_its_limit_while_the_process_keeps_dying(bench: Bench) -> None:
    service = bench.watch("raise SystemExit(3)")
    pauses = []
    for _ in range(9):
        bench.check_after_its_end(service)
        pauses.append(float(bench.said[-1].split()[-2]))
        bench.clock.now += pauses[-1]
        bench.supervisor.check()
    assert pauses == [0.5, 1, 2, 4, 8, 16, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]


def test_after_a_minute_of_health_the_pause_is_short_again(bench: Bench) -> None:
    service = bench.watch("import time; time.sleep(60)")
    for _ in range(3):
        service.process.kill()
        bench.supervisor.check()
        bench.clock.now += 5
        bench.supervisor.check()
    bench.clock.now += 61
    service.process.kill()
    bench.supervisor.check()
    assert bench.said[-1] == "the probe ended with SIGKILL; starting it again in 0.5 s"


def test_a_process_that_needs_a_person_is_not_started_again_and_its_sentence_is_said(bench: Bench) -> None:
    service = bench.watch("print('finsentry: FINSENTRY_X is not a number.'); print('bye'); raise SystemExit(78)")
    bench.check_after_its_end(service)
    bench.clock.now += 1000
    bench.supervisor.check()
    assert bench.condition() is Condition.FAILED
    assert len(bench.said) == 1
    assert bench.said[0].endswith("FINSENTRY_X is not a number.")


def test_a_process_that_reached_its_end_is_left_alone(bench: Bench) -> None:
    service = bench.watch("", has_an_end=True)
    bench.check_after_its_end(service)
    assert bench.condition() is Condition.FINISHED


def test_a_process_that_should_go_on_is_started_again_even_when_it_ends_well(bench: Bench) -> None:
    service = bench.watch("")
    bench.check_after_its_end(service)
    assert bench.condition() is Condition.WAITING


def test_the_death_of_what_cannot_be_restarted_ends_the_stack(bench: Bench) -> None:
    service = bench.watch("raise SystemExit('out of memory')", restartable=False)
    assert service.process.wait(10) == 1
    with pytest.raises(ServerFailed, match=r"the probe ended with exit status 1: out of memory"):
        bench.supervisor.check()


class _Idler(Service):
    """Runs, and does no work."""

    def ailment(self) -> str | None:
        return "it only sleeps"


def test_a_process_that_runs_but_does_not_work_is_ended_and_started_again(bench: Bench) -> None:
    healthy = bench.watch("import time; time.sleep(60)")
    idler = _Idler("idler", "the idler", ChildProcess(healthy.process.program, bench.folder / "idler.log"))
    idler.spawn()
    bench.supervisor.watch(idler)
    first = idler.process.pid
    bench.supervisor.check()
    assert bench.said == [
        "the idler runs but does not work, ending it: it only sleeps",
        "the idler ended with SIGKILL; starting it again in 0.5 s",
    ]
    bench.clock.now += 0.6
    bench.supervisor.check()
    assert idler.process.pid != first
    assert healthy.process.running()


def test_a_failure_that_needs_a_person_is_a_configuration_error(bench: Bench) -> None:
    service = bench.watch("raise SystemExit(78)")
    assert service.process.wait(10) == 78
    assert isinstance(service.process.failure(), ConfigurationError)


def test_stopping_asks_first_and_kills_what_does_not_listen(bench: Bench) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    program = Program("the probe", [sys.executable, "-I", "-c", deaf], grace_seconds=0.3)
    process = ChildProcess(program, bench.folder / "deaf.log")
    process.spawn()
    _wait_for(process, "deaf")
    process.stop()
    assert process.exit_code() == -9


def test_the_children_of_a_process_that_dies_go_with_it(bench: Bench) -> None:
    parent = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-I', '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)"
    )
    service = bench.watch(parent)
    child = int(_wait_for(service.process, ""))
    assert Path(f"/proc/{child}").exists()
    os.kill(service.process.pid, signal.SIGKILL)
    bench.check_after_its_end(service)
    deadline = time.monotonic() + 5
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _wait_for(process: ChildProcess, word: str) -> str:
    deadline = time.monotonic() + 10
    while not (words := process.last_words()) or word not in words:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return words


@pytest.fixture(autouse=True)
def _nothing_left(bench: Bench) -> Iterator[None]:
    yield
    bench.supervisor.stop_all()
