"""Seeded `kill -9` of a running `finsentry up`: `python -m tests.faults.kills HOME --kills 20`.

Only processes that HOME's stack.json names are killed, one after the other, each once the one before is back.
"""

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import click

TARGETS = ("worker", "monitor", "gateway", "postgres", "triton", "redis", "kafka")
BACK_SECONDS = 120.0


def kill_at_random(home: Path, kills: int, seed: int, pause: tuple[float, float]) -> Iterator[str]:
    """Kill so many processes, at random moments; yields the name of each when it is running again.

    Every target comes up equally often. Raises TimeoutError where one does not come back.
    """
    rng = random.Random(seed)
    targets = [TARGETS[number % len(TARGETS)] for number in range(kills)]
    rng.shuffle(targets)
    for target in targets:
        time.sleep(rng.uniform(*pause))
        pid = _running_pid(home, target)
        os.kill(pid, signal.SIGKILL)
        _wait_for_another(home, target, pid)
        yield target


def _running_pid(home: Path, target: str) -> int:
    deadline = time.monotonic() + BACK_SECONDS
    while time.monotonic() < deadline:
        process = json.loads((home / "stack.json").read_text())["processes"][target]
        if process["condition"] == "running":
            return int(process["identity"]["pid"])
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
@click.option("--kills", default=20, show_default=True, help="How many.")
@click.option("--seed", default=20080915, show_default=True, help="Of targets and moments.")
@click.option("--pause", nargs=2, type=float, default=(2.0, 8.0), show_default=True, help="Seconds between two kills.")
def main(home: Path, kills: int, seed: int, pause: tuple[float, float]) -> None:
    """Kill processes of the `finsentry up` whose home is HOME."""
    for number, target in enumerate(kill_at_random(home, kills, seed, pause), start=1):
        click.echo(f"{number:3} {target} was killed and is back")


if __name__ == "__main__":
    main()
