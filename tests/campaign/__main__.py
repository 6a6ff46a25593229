"""`python -m tests.campaign HOME`: a Reuters day and all of StockNet on every way in at once, under seeded faults."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg
import click
import orjson

from stream_worker.local.state import read_state
from tests.campaign.feed_site import feed_site
from tests.campaign.latency import latencies
from tests.campaign.plan import Plan, plan
from tests.campaign.senders import post, replay, until_shown
from tests.faults.seeded import strike_at_random

FEEDS = 10
FEED = """
[[feeds]]
name = "tweets-{}"
url = "{}"
source = "twitter"
kind = "comment"
interval_seconds = 10
"""
REPLAY_KILLS = 2


@click.command()
@click.argument("home", type=click.Path(path_type=Path))
@click.option("--data", envvar="FINSENTRY_DATA", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--seed", default=20080915, show_default=True, help="Of everything that is drawn.")
@click.option("--faults", default=50, show_default=True, help="How many.")
@click.option("--pause", nargs=2, type=float, default=(1.0, 6.0), show_default=True, help="Seconds between two faults.")
@click.option("--live-rate", default=120.0, show_default=True, help="Lines a second of the live replay.")
@click.option("--post-rate", default=20.0, show_default=True, help="Documents a second through the gateway.")
@click.option("--end", default=3600.0, show_default=True, help="Seconds after which it has failed.")
def main(
    home: Path, data: Path, seed: int, faults: int, pause: tuple[float, float], live_rate: float, post_rate: float,
    end: float,
) -> None:  # fmt: skip
    """Run it in HOME, a folder that must not exist. Exits 1 where a count is wrong or `finsentry verify` objects."""
    home.mkdir(parents=True)
    planned = plan(data, seed, corrections=500, retractions=300, junk_lines=200)
    _say("expected", **asdict(planned.expected))
    asyncio.run(_run(home.resolve(), planned, seed, faults, pause, (live_rate, post_rate), end))


async def _run(
    home: Path, planned: Plan, seed: int, faults: int, pause: tuple[float, float], rates: tuple[float, float],
    end: float,
) -> None:  # fmt: skip
    live, backfill = home / "live.jsonl", home / "backfill.jsonl"
    live.write_bytes(b"\n".join(planned.live) + b"\n")
    backfill.write_bytes(b"\n".join(planned.backfill) + b"\n")
    async with feed_site(planned.entries, FEEDS) as (addresses, growing), asyncio.timeout(end):
        environment = _environment(home, addresses)
        with _stack(environment):
            began = time.monotonic()
            url = f"http://127.0.0.1:{os.environ.get('FINSENTRY_GATEWAY_PORT', '18080')}/v1/documents"
            ways = [
                post(url, planned.posted, rates[1]),
                replay(live, environment, home / "live.log", "--rate", str(rates[0]), kills=REPLAY_KILLS, seed=seed),
                replay(backfill, environment, home / "backfill.log", "--lane", "backfill", kills=REPLAY_KILLS, seed=1),
                until_shown(growing),
                asyncio.to_thread(_strike, home, faults, seed, pause),
            ]
            await asyncio.gather(*ways)
            _say("sent", seconds=round(time.monotonic() - began))
            report = await _settled(environment, planned.expected.accepted)
            _say("settled", seconds=round(time.monotonic() - began), **report["counts"])
            state = read_state(home)
            assert state is not None
            connection = await asyncpg.connect(state.addresses["database_url"])
            for topic, found in (await latencies(connection)).items():
                _say(topic, **{name: round(value, 3) for name, value in found.items()})
            payloads = await connection.fetchval("SELECT count(DISTINCT payload) FROM dead_letters")
            await connection.close()
            _compare(report, planned, payloads)


def _environment(home: Path, addresses: list[str]) -> dict[str, str]:
    feeds = home / "feeds.toml"
    feeds.write_text("\n".join(FEED.format(number, address) for number, address in enumerate(addresses)))
    return {
        "FINSENTRY_HOME": str(home),
        "FINSENTRY_CLOCK": "stream",
        "FINSENTRY_FEEDS": str(feeds),
        "FINSENTRY_FEEDS_PRIVATE_NETWORKS": "127.0.0.0/8",
    }


@contextmanager
def _stack(environment: dict[str, str]) -> Iterator[None]:
    command = [sys.executable, "-m", "stream_worker.cli", "up", "--json"]
    with subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.PIPE) as stack:
        assert stack.stdout is not None
        assert stack.stdout.readline(), "finsentry up failed"
        try:
            yield
        finally:
            stack.terminate()
            stack.wait(120)


def _strike(home: Path, faults: int, seed: int, pause: tuple[float, float]) -> None:
    for number, kind in enumerate(strike_at_random(home, faults, seed, pause), start=1):
        _say("fault", number=number, kind=kind)


async def _settled(environment: dict[str, str], accepted: int) -> dict[str, Any]:
    """What verify says when everything is accepted, read, committed and recomputed."""
    while True:
        found = await asyncio.to_thread(_verify, environment)
        if found is not None:
            lag = sum(partition["lag"] for partition in found["partitions"])
            counts = found["counts"]
            if counts["receipts accepted"] >= accepted and (lag, counts["pending marks"]) == (0, 0):
                return found
        # Reading every byte takes its time, from those who have work to do.
        await asyncio.sleep(30)


def _verify(environment: dict[str, str]) -> dict[str, Any] | None:
    command = [sys.executable, "-m", "stream_worker.cli", "verify", "--bytes", "--json"]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    if done.returncode and done.stdout:
        click.echo(done.stdout)
        sys.exit(1)
    report: dict[str, Any] | None = json.loads(done.stdout) if done.stdout else None
    return report


def _compare(report: dict[str, Any], planned: Plan, dead_payloads: int) -> None:
    expected, counts = planned.expected, report["counts"]
    pairs = {
        "accepted": (counts["receipts accepted"], expected.accepted),
        "documents": (counts["documents"], expected.documents),
        "revisions": (counts["revisions"], expected.revisions),
        "retractions": (counts["retractions"], expected.retractions),
        "distinct dead letters": (dead_payloads, expected.dead_letter_kinds),
    }
    for name, (found, wanted) in pairs.items():
        _say(name, found=found, expected=wanted, holds=found == wanted)
    receipts = sum(counts[f"receipts {outcome}"] for outcome in ("accepted", "duplicate", "dead_letter", "erased"))
    _say("messages", found=receipts, at_least=expected.at_least_messages)
    if any(found != wanted for found, wanted in pairs.values()) or receipts < expected.at_least_messages:
        sys.exit(1)


def _say(what: str, **values: object) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {what}: {orjson.dumps(values).decode()}")


if __name__ == "__main__":
    main()
