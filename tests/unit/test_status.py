"""What `finsentry status` says of what it found."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from stream_worker.settings import Clock
from stream_worker.status.findings import Health, LaneBacklog, Process, Schema, Server, Status
from stream_worker.status.judgement import problems
from stream_worker.status.screen import WIDTH, screen
from stream_worker.storage.activity import Activity, Latency
from stream_worker.storage.pending import Pending

NOW = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)
READY = Health(answers=True, alive=True, ready=True)

ACTIVITY = Activity(
    now=NOW,
    per_second={"live": 4.2},
    latencies={"live": Latency(0.045, 0.12)},
    dead_letters={},
    unscored={},
    newest_published_at=NOW,
    newest_received_at=NOW,
    newest_live_receipt_at=NOW,
    model_version="sentiment/1@0123456789ab entities/1@ba9876543210",
    pending=Pending(0, 0.0, 0),
)
WELL = Status(
    at=NOW,
    home=".finsentry",
    version="0.1.0",
    up=True,
    servers={name.lower(): Server(name, "127.0.0.1:1", 0.01) for name in ("Postgres", "Redis", "Kafka", "Triton")},
    processes={
        name: Process("running", 4711, 3600.0, 0, f"logs/{name}.log", health)
        for name, health in {"worker": READY, "monitor": READY, "gateway": READY, "dashboard": None}.items()
    },
    missing_topics=[],
    lanes={"live": LaneBacklog("documents", "finsentry-scoring", 4, 1, 0)},
    schema=Schema("0004", "0004"),
    activity=ACTIVITY,
    live_view_at=NOW,
)


def without_postgres() -> Status:
    away = replace(WELL.servers["postgres"], problem="connection refused")
    not_ready = Health(answers=True, alive=True, ready=False, failing={"postgres": "connection refused"})
    return replace(
        WELL,
        servers={**WELL.servers, "postgres": away},
        processes={**WELL.processes, "worker": replace(WELL.processes["worker"], health=not_ready)},
        schema=None,
        activity=None,
    )


def with_process(name: str, **fields: Any) -> Status:
    return replace(WELL, processes={**WELL.processes, name: replace(WELL.processes[name], **fields)})


def with_activity(**fields: Any) -> Status:
    return replace(WELL, activity=replace(ACTIVITY, **fields))


def with_lane(**fields: Any) -> Status:
    return replace(WELL, lanes={"live": replace(WELL.lanes["live"], **fields)}) if WELL.lanes else WELL


CASES = {
    "a server that is away is named once, not again by those who need it": (
        without_postgres(),
        ["Postgres at 127.0.0.1:1 fails: connection refused."],
    ),
    "a process that does not run": (
        with_process("monitor", condition="failed", pid=None, health=None),
        ["The monitor does not run (failed): see its log logs/monitor.log."],
    ),
    "a service that hangs": (
        with_process("monitor", health=Health(answers=False)),
        ["The monitor runs and does not answer over HTTP: it hangs, or it has just been started."],
    ),
    "a worker that is stuck": (
        with_process("worker", health=Health(answers=True, alive=False, ready=True)),
        ["The worker is stuck, there is work and it does nothing: end it, another one goes on where it stood."],
    ),
    "a worker that is not ready": (
        with_process("worker", health=Health(answers=True, alive=True, failing={"start": "starting"})),
        ["The worker is not ready (start): starting."],
    ),
    "a supervisor that was killed": (
        replace(WELL, up=False),
        ["finsentry was up in .finsentry and its supervisor is gone: start it again with `finsentry up`."],
    ),
    "an old schema": (
        replace(WELL, schema=Schema("0003", "0004")),
        ["The database is at schema revision 0003, this program needs 0004: run `finsentry migrate`."],
    ),
    "no topics": (
        replace(WELL, missing_topics=["documents", "scores"]),
        ["Kafka has no topic documents, scores: run `finsentry topics apply`."],
    ),
    "nobody reads": (
        with_lane(readers=0, waiting=1204),
        ["No worker reads documents, and 1,204 documents wait: start `finsentry worker`."],
    ),
    "a monitor that does nothing": (
        with_activity(pending=Pending(12, 90.0, 0)),
        [
            "12 marks wait for the monitor, the oldest for 90 s: it does not run (`finsentry monitor`), or cannot keep "
            "up."
        ],
    ),
    "a live view that is not published any more": (
        replace(WELL, live_view_at=NOW - timedelta(minutes=5)),
        ["The live view in Redis is not published any more: start `finsentry monitor`, or see its log."],
    ),
}


def test_nothing_is_wrong_where_everything_works() -> None:
    assert problems(WELL, Clock.WALL) == []


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said_in_one_sentence_with_what_to_do(case: str) -> None:
    status, expected = CASES[case]
    assert problems(status, Clock.WALL) == expected


def test_documents_that_wait_while_a_worker_reads_and_nothing_is_stored_are_wrong() -> None:
    waiting = with_lane(waiting=500)
    assert problems(waiting, Clock.WALL) == []
    silent = replace(waiting, activity=replace(ACTIVITY, newest_live_receipt_at=NOW - timedelta(minutes=2)))
    (sentence,) = problems(silent, Clock.WALL)
    assert sentence.startswith("500 documents wait in documents, a worker reads it, and nothing was stored for 60 s")


def test_history_that_stands_still_is_said_once_with_its_reason() -> None:
    failing = {"history": "history stands still: 1000 messages in a row are bad"}
    worker = replace(WELL.processes["worker"], health=Health(answers=True, alive=True, failing=failing))
    history = LaneBacklog("documents-backfill", "finsentry-backfill", 4, 0, 1000)
    status = replace(
        WELL, processes={**WELL.processes, "worker": worker}, lanes={**(WELL.lanes or {}), "backfill": history}
    )
    (sentence,) = problems(status, Clock.WALL)
    assert sentence.startswith("The worker is not ready (history): history stands still: 1000 messages")


def test_the_live_view_of_a_stream_that_has_ended_may_be_old() -> None:
    assert problems(replace(WELL, live_view_at=NOW - timedelta(days=6000)), Clock.STREAM) == []


def test_a_stack_of_servers_only_misses_no_worker() -> None:
    only_servers = replace(
        with_lane(readers=0), processes={}, schema=Schema(None, "0004"), missing_topics=["documents"], activity=None
    )
    assert problems(only_servers, Clock.WALL) == []
    assert len(problems(replace(only_servers, up=None), Clock.WALL)) == 3


def test_without_any_address_it_says_how_to_begin() -> None:
    nothing = {name: replace(server, address=None, problem="no address") for name, server in WELL.servers.items()}
    (sentence,) = problems(replace(WELL, up=None, servers=nothing), Clock.WALL)
    assert "start it with `finsentry up`" in sentence


def lines(status: Status, width: int = WIDTH) -> list[str]:
    output = StringIO()
    Console(file=output, width=width, highlight=False).print(screen(status, problems(status, Clock.WALL)))
    return output.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("case", CASES)
def test_the_screen_fits_and_has_no_colours_off_a_terminal(case: str, width: int) -> None:
    shown = lines(CASES[case][0], width)
    assert max(map(len, shown)) <= width
    assert len(shown) <= 40
    assert "\x1b" not in "".join(shown)


def test_what_is_wrong_comes_before_everything_else() -> None:
    shown = [line.strip() for line in lines(without_postgres()) if line.strip()]
    assert shown[1] == "✗ Something is wrong."
    assert shown[2] == "1. Postgres at 127.0.0.1:1 fails: connection refused."
    assert shown.index("SERVERS") > 2


def test_lanes_show_what_waits_and_how_fast_it_goes() -> None:
    shown = lines(with_activity(dead_letters={"not_json": 2, "empty": 1}))
    (live,) = (line for line in shown if line.startswith("  live  "))
    assert re.split(r"\s{2,}", live.strip()) == ["live", "0", "4.2", "45 ms", "120 ms", "1"]
    assert any("3 in the last hour: 2 not_json, 1 empty" in line for line in shown)
