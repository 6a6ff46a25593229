"""How soon a correction is in an instrument's live state: `python -m bench.correction`.

A stack of its own, with nothing else to do. One document about one company is corrected again and again, from good news
to bad and back; timed is from posting it to the gateway until the state in Redis has turned.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import orjson

from bench.__main__ import machine, step
from stream_worker.local.ports import free_port
from stream_worker.local.state import read_state
from stream_worker.storage.live_reader import LiveReader

_INSTRUMENT = "nokia"
_TITLES = ("Nokia raises its forecast after record profit", "Nokia cuts its forecast after heavy loss")
_POLL_SECONDS = 0.005
_LONGEST_SECONDS = 30.0
_GOAL_SECONDS = 1.0


@click.command()
@click.option("--corrections", default=50, show_default=True, help="How many.")
@click.option("--pause", default=0.5, show_default=True, help="Seconds between two.")
def main(corrections: int, pause: float) -> None:
    """Correct a document and watch the index turn. Leave the machine alone meanwhile."""
    with tempfile.TemporaryDirectory(prefix="finsentry-bench-") as folder, _stack(Path(folder)) as (url, reader):
        published = datetime.now(UTC)
        with step("the first document"):
            _turned(url, reader, 0, published)
        with step(f"{corrections} corrections"):
            seconds = []
            for number in range(1, corrections + 1):
                time.sleep(pause)
                seconds.append(_turned(url, reader, number, published))
    shares = statistics.quantiles(seconds, n=100)
    print(f"{machine()}\n\n{corrections} corrections, posted → in the live state, in ms:")
    print(f"p50 {shares[49] * 1e3:.0f}, p90 {shares[89] * 1e3:.0f}, longest {max(seconds) * 1e3:.0f}")
    print(f"longest within {_GOAL_SECONDS:g} s: {'reached' if max(seconds) <= _GOAL_SECONDS else 'MISSED'}")


@contextmanager
def _stack(home: Path) -> Iterator[tuple[str, LiveReader]]:
    port = free_port()
    environment = os.environ | {"FINSENTRY_HOME": str(home), "FINSENTRY_GATEWAY_PORT": str(port)}
    command = [sys.executable, "-m", "stream_worker.cli", "up", "--json"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as stack:
        try:
            if stack.stdout is None or not stack.stdout.readline():
                raise SystemExit("`finsentry up` failed.")
            state = read_state(home)
            if state is None:
                raise SystemExit("`finsentry up` left no state.")
            yield f"http://127.0.0.1:{port}/v1/documents", LiveReader(state.addresses["redis_url"])
        finally:
            stack.terminate()
            stack.wait()


def _turned(url: str, reader: LiveReader, number: int, published: datetime) -> float:
    """Post revision `number`; seconds until the live state has its sign. Raises SystemExit where that never comes."""
    document = {
        "id": "corrected",
        "source": "bench",
        "kind": "news",
        "title": _TITLES[number % 2],
        "published_at": published.isoformat(),
        "updated_at": (published + timedelta(milliseconds=number)).isoformat(),
    }
    request = urllib.request.Request(url, orjson.dumps(document), {"Content-Type": "application/json"})  # noqa: S310
    began = time.perf_counter()
    urllib.request.urlopen(request).close()  # noqa: S310
    while time.perf_counter() - began < _LONGEST_SECONDS:
        state = reader.instrument(_INSTRUMENT)
        if state is not None and state.polarity is not None and (state.polarity < 0) == (number % 2 == 1):
            return time.perf_counter() - began
        time.sleep(_POLL_SECONDS)
    raise SystemExit(f"Revision {number} is not in the live state after {_LONGEST_SECONDS:g} s.")


if __name__ == "__main__":
    main()
