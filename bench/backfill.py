"""What a backlog of history costs live documents, and how fast it drains: `python -m bench.backfill`.

Live documents come at half the rate that the service can take, without history and while it waits, in turns on the
same machine; each leg has a worker, a database and topics of its own.
"""

import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import click

from bench.__main__ import machine, step
from bench.corpus import distinct_documents
from bench.deployment import Deployment, deployed, servers
from bench.service import Latency, latency, throughput
from stream_worker.local.servers import Servers
from stream_worker.logs import configure_logging
from stream_worker.settings import Settings, TopicName

_GOAL = 1.5


@dataclass(frozen=True, slots=True)
class Turn:
    """Live latency without and beside history, and how many old documents a second were scored beside it."""

    alone: Latency
    beside: Latency
    history_per_second: float
    still_waiting: int

    @property
    def ratio(self) -> float:
        """Of the p99s."""
        return self.beside.p99 / self.alone.p99


@dataclass(frozen=True, slots=True)
class Sizes:
    """Documents of the speeds, and of the backlog; seconds of live documents in a leg."""

    documents: int
    waiting: int
    live_seconds: float


_FULL = Sizes(documents=12_000, waiting=50_000, live_seconds=40.0)
_QUICK = Sizes(documents=1_000, waiting=5_000, live_seconds=10.0)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), envvar="FINSENTRY_DATA", help="Real titles; else generated.")
@click.option("--turns", default=3, show_default=True, help="How often to measure without and beside history.")
@click.option("--quick", is_flag=True, help="A fraction of everything: to try the bench, not to quote it.")
def main(data: Path | None, turns: int, quick: bool) -> None:
    """Measure what waiting history costs live documents. Leave the machine alone meanwhile."""
    configure_logging(Settings(log_level="warning"))
    sizes = _QUICK if quick else _FULL
    with tempfile.TemporaryDirectory(prefix="finsentry-bench-") as folder:
        home, repository = Path(folder), Settings().model_repository
        with servers(home, repository) as on:
            for line in asyncio.run(Bench(on, home, repository, data, sizes).run(turns)):
                print(line)


class Bench:
    """The legs, on running servers with the real models."""

    def __init__(self, on: Servers, home: Path, repository: Path, data: Path | None, sizes: Sizes) -> None:
        self._on = on
        self._home = home
        self._repository = repository
        self._data = data
        self._sizes = sizes

    async def run(self, turns: int) -> list[str]:
        """Everything, as the lines of the report."""
        corpus = distinct_documents(self._data, self._sizes.documents)
        with step("live documents alone"):
            live = await self._speed("live", corpus.lines, "documents")
        with step("history alone"):
            history = await self._speed("history", corpus.lines, "documents-backfill")
        rate = live / 2
        lines = distinct_documents(self._data, self._sizes.waiting + round(rate * self._sizes.live_seconds) + 200).lines
        waiting, arriving = lines[: self._sizes.waiting], lines[self._sizes.waiting :]
        measured = [await self._turn(number, rate, arriving, waiting) for number in range(turns)]
        return [f"{corpus.origin}; {machine()}", "", *_report(live, history, rate, measured)]

    async def _speed(self, name: str, lines: Sequence[bytes], of: TopicName) -> float:
        async with self._deployed(name) as deployment:
            return (await throughput(deployment, lines, of)).per_second

    async def _turn(self, number: int, rate: float, arriving: list[bytes], waiting: list[bytes]) -> Turn:
        with step(f"turn {number + 1}: {rate:.0f} live documents a second, no history"):
            async with self._deployed(f"alone{number}") as deployment:
                alone = await latency(deployment, arriving, rate)
        with step(f"turn {number + 1}: the same while {len(waiting)} old documents wait"):
            async with self._deployed(f"beside{number}") as deployment:
                await deployment.publish(waiting, "documents-backfill")
                beside = await latency(deployment, arriving, rate)
                per_second, done = await _history_beside_live(deployment)
                return Turn(alone, beside, per_second, len(waiting) - done)

    def _deployed(self, name: str) -> AbstractAsyncContextManager[Deployment]:
        return deployed(self._on, name, self._home, self._repository)


async def _history_beside_live(deployment: Deployment) -> tuple[float, int]:
    """Old documents a second between the first and the last live one, and all of them until then."""
    row = await deployment.connection.fetchrow(
        """
        WITH live AS (SELECT min(received_at) AS began, max(received_at) AS ended FROM receipts WHERE topic = $1)
        SELECT count(*) FILTER (WHERE received_at >= began) / extract(epoch FROM ended - began)::float8, count(*)
        FROM live, receipts WHERE topic = $2 AND received_at <= ended GROUP BY began, ended
        """,
        deployment.settings.topic("documents"),
        deployment.settings.topic("documents-backfill"),
    )
    return tuple(row) if row is not None else (0.0, 0)


def _report(live: float, history: float, rate: float, turns: list[Turn]) -> list[str]:
    ratio = statistics.median(turn.ratio for turn in turns)
    return [
        f"live documents alone {live:.0f}/s; history alone {history:.0f}/s = {history / live:.2f} × live",
        f"live documents at {rate:.0f}/s, publish → committed in ms:",
        "",
        "turn   alone p50   p99   beside history p50   p99   ratio of p99   history/s   still waiting",
        *(
            f"{number:>4}{t.alone.p50 * 1e3:>12.0f}{t.alone.p99 * 1e3:>6.0f}{t.beside.p50 * 1e3:>21.0f}"
            f"{t.beside.p99 * 1e3:>6.0f}{t.ratio:>15.2f}{t.history_per_second:>12.0f}{t.still_waiting:>16,}"
            for number, t in enumerate(turns, start=1)
        ),
        "",
        f"median ratio {ratio:.2f}: {'reached' if ratio <= _GOAL else 'MISSED'}: ≤ {_GOAL}",
    ]


if __name__ == "__main__":
    main()
