"""Seeded faults in a running `finsentry up`: `python -m tests.faults.seeded HOME --faults 50`.

Only processes and servers that HOME's stack.json names are touched, one after the other, each once the one before is
back.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import asyncpg
import click
import psutil
import redis

from stream_worker.local.state import Condition, read_state

BACK_SECONDS = 120.0
#: A second worker stays for so long: it joins the group, gets partitions, and gives them back.
GUEST_SECONDS = 8.0

Fault = Callable[[Path], None]


def strike_at_random(home: Path, faults: int, seed: int, pause: tuple[float, float]) -> Iterator[str]:
    """So many faults at random moments; yields the name of each when what it struck works again.

    Every kind comes up equally often. Raises TimeoutError where something does not come back.
    """
    rng = random.Random(seed)
    kinds = {kind: strike for kind, strike in KINDS.items() if _is_there(home, kind)}
    drawn = [list(kinds)[number % len(kinds)] for number in range(faults)]
    rng.shuffle(drawn)
    for kind in drawn:
        time.sleep(rng.uniform(*pause))
        kinds[kind](home)
        yield kind


def _kill(target: str, home: Path) -> None:
    pid = _running_pid(home, target)
    os.kill(pid, signal.SIGKILL)
    _wait_for_another(home, target, pid)


def _kill_a_model(home: Path) -> None:
    """Triton goes on saying that it is ready; its supervisor must find out."""
    triton = _running_pid(home, "triton")
    models = [child for child in psutil.Process(triton).children(recursive=True) if "stub" in child.name()]
    random.Random(triton).choice(models).kill()
    _wait_for_another(home, "triton", triton)


def _stop_the_worker(home: Path) -> None:
    """An orderly stop, as a deployment does it."""
    pid = _running_pid(home, "worker")
    os.kill(pid, signal.SIGTERM)
    _wait_for_another(home, "worker", pid)


def _break_connections(home: Path) -> None:
    """Every connection to Postgres ends in the middle of what it does."""

    async def terminate() -> None:
        connection = await asyncpg.connect(_address(home, "database_url"))
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await connection.close()

    asyncio.run(terminate())


def _empty_redis(home: Path) -> None:
    with redis.Redis.from_url(_address(home, "redis_url")) as client:
        client.flushall()


def _rebalance(home: Path) -> None:
    """A second worker joins the group, works, and leaves."""
    settings = {"FINSENTRY_HOME": str(home), "FINSENTRY_WORKER_HTTP_PORT": "0"}
    with (home / "logs" / "guest.log").open("ab") as log:
        command = [sys.executable, "-m", "stream_worker.cli", "worker"]
        guest = subprocess.Popen(command, env=os.environ | settings, stdout=log, stderr=log)
    time.sleep(GUEST_SECONDS)
    guest.terminate()
    guest.wait(60)


_KILLED = ("worker", "monitor", "gateway", "feeds", "postgres", "triton", "redis", "kafka")
KINDS: dict[str, Fault] = {
    **{f"{target} killed": partial(_kill, target) for target in _KILLED},
    "a model's process killed": _kill_a_model,
    "worker stopped": _stop_the_worker,
    "connections to Postgres broken": _break_connections,
    "Redis emptied": _empty_redis,
    "a second worker came and went": _rebalance,
}


def _is_there(home: Path, kind: str) -> bool:
    """Feeds run only where some are configured."""
    state = read_state(home)
    assert state is not None, f"nothing runs in {home}"
    return kind != "feeds killed" or "feeds" in state.processes


def _address(home: Path, name: str) -> str:
    state = read_state(home)
    assert state is not None
    _running_pid(home, "postgres" if name == "database_url" else "redis")
    return state.addresses[name]


def _running_pid(home: Path, target: str) -> int:
    deadline = time.monotonic() + BACK_SECONDS
    while time.monotonic() < deadline:
        state = read_state(home)
        record = state.processes[target] if state is not None else None
        if record is not None and record.condition is Condition.RUNNING and record.identity is not None:
            return record.identity.pid
        time.sleep(0.1)
    raise TimeoutError(f"the {target} does not run")


def _wait_for_another(home: Path, target: str, old: int) -> None:
    deadline = time.monotonic() + BACK_SECONDS
    while _running_pid(home, target) == old:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the {target} did not come back")
        time.sleep(0.1)


@click.command()
@click.argument("home", type=click.Path(path_type=Path, exists=True))
@click.option("--faults", default=20, show_default=True, help="How many.")
@click.option("--seed", default=20080915, show_default=True, help="Of kinds and moments.")
@click.option("--pause", nargs=2, type=float, default=(2.0, 8.0), show_default=True, help="Seconds between two faults.")
def main(home: Path, faults: int, seed: int, pause: tuple[float, float]) -> None:
    """Strike the `finsentry up` whose home is HOME."""
    for number, kind in enumerate(strike_at_random(home, faults, seed, pause), start=1):
        click.echo(f"{number:3} {kind}; it is back")


if __name__ == "__main__":
    main()
