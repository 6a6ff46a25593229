"""What a service answers to probes, over real HTTP; time is the test's own where nothing is to be waited for."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Gauge

from stream_worker import vitals as vitals_module
from stream_worker.errors import ConfigurationError, Unavailable
from stream_worker.local.ports import free_port
from stream_worker.progress import Progress
from stream_worker.retry import until_available
from stream_worker.settings import Settings
from stream_worker.vitals import LineOfWork, Vitals
from stream_worker.vitals_server import serving_vitals

STUCK_SECONDS = 60.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    return Progress(clock)


@pytest.fixture
def vitals(progress: Progress) -> Vitals:
    return Vitals(CollectorRegistry(), progress, STUCK_SECONDS)


@asynccontextmanager
async def served(vitals: Vitals) -> AsyncIterator[aiohttp.ClientSession]:
    port = free_port()
    async with (
        serving_vitals(vitals, Settings(worker_http_port=port), "worker_http_port"),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        yield session


async def get(session: aiohttp.ClientSession, path: str) -> tuple[int, dict[str, Any]]:
    async with session.get(path) as response:
        return response.status, await response.json()


async def fine() -> str:
    return "answers"


async def broken() -> str:
    raise Unavailable("it is away")


async def idle() -> bool:
    return False


async def busy() -> bool:
    return True


async def test_a_service_that_starts_is_alive_and_not_ready_and_says_what_it_waits_for(
    vitals: Vitals, progress: Progress
) -> None:
    async def attempt() -> None:
        raise Unavailable("connection refused", "postgres")

    starting = asyncio.create_task(until_available(attempt, "checking the schema", progress))
    async with served(vitals) as session:
        await asyncio.sleep(0)
        status, answer = await get(session, "/readyz")
        assert (status, answer["failing"]) == (503, ["start"])
        assert "checking the schema: connection refused" in answer["checks"]["start"]["detail"]
        assert (await get(session, "/livez"))[0] == 200
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert progress.waits == {}


async def test_a_failing_check_is_named_with_its_reason_beside_those_that_succeed(vitals: Vitals) -> None:
    vitals.ready_when({"postgres": fine, "triton": broken})
    async with served(vitals) as session:
        status, answer = await get(session, "/readyz")
    assert (status, answer["failing"]) == (503, ["triton"])
    assert answer["checks"]["triton"]["detail"] == "it is away"
    assert answer["checks"]["postgres"]["ok"]


async def test_a_service_whose_checks_succeed_is_ready(vitals: Vitals) -> None:
    vitals.ready_when({"postgres": fine})
    async with served(vitals) as session:
        assert (await get(session, "/readyz"))[0] == 200


async def test_a_server_that_hangs_is_away_when_its_time_is_over(
    vitals: Vitals, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hanging() -> str:
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr(vitals_module, "CHECK_SECONDS", 0.05)
    vitals.ready_when({"postgres": hanging, "redis": fine})
    answer = await vitals.ready()
    assert answer.status == 503
    assert answer.checks["postgres"].detail == "no answer within 0.05 s"
    assert answer.checks["redis"].ok


async def test_a_storm_of_probes_asks_once_and_no_probe_takes_the_answer_from_others(vitals: Vitals) -> None:
    asked = 0
    may_answer = asyncio.Event()

    async def counting() -> str:
        nonlocal asked
        asked += 1
        await may_answer.wait()
        return "answers"

    vitals.ready_when({"postgres": counting})
    probes = [asyncio.create_task(vitals.ready()) for _ in range(50)]
    await asyncio.sleep(0)
    probes[0].cancel()
    may_answer.set()
    answers = await asyncio.gather(*probes[1:])
    assert {answer.status for answer in answers} == {200}
    assert (await vitals.ready()).ok
    assert asked == 1


async def test_work_without_a_step_for_too_long_is_not_alive(vitals: Vitals, clock: Clock) -> None:
    clock.now += STUCK_SECONDS
    assert (await vitals.live()).ok, "work may have come only now"
    clock.now += STUCK_SECONDS
    async with served(vitals) as session:
        status, answer = await get(session, "/livez")
    assert status == 503
    assert answer["checks"]["progress"]["detail"] == "no step for 60 s, although there is work to do"


async def test_without_work_a_service_may_rest_for_as_long_as_it_likes(
    vitals: Vitals, progress: Progress, clock: Clock
) -> None:
    vitals.works_in({"progress": LineOfWork(progress, idle)})
    for _ in range(3):
        clock.now += 10 * STUCK_SECONDS
        assert (await vitals.live()).ok


async def test_who_cannot_be_asked_for_work_gives_none(vitals: Vitals, progress: Progress, clock: Clock) -> None:
    async def away() -> bool:
        raise Unavailable("Kafka is away")

    vitals.works_in({"progress": LineOfWork(progress, away)})
    for _ in range(3):
        clock.now += 10 * STUCK_SECONDS
        assert (await vitals.live()).ok


async def test_a_line_of_work_that_is_stuck_does_not_hide_behind_one_that_moves(
    vitals: Vitals, progress: Progress, clock: Clock
) -> None:
    moving = Progress(clock)
    vitals.works_in({"live": LineOfWork(progress, busy), "backfill": LineOfWork(moving, busy)})
    await vitals.live()
    for _ in range(3):
        clock.now += STUCK_SECONDS
        moving.moved()
        answer = await vitals.live()
    assert {name: finding.ok for name, finding in answer.checks.items()} == {"live": False, "backfill": True}


async def test_waiting_for_a_server_is_being_alive(vitals: Vitals, progress: Progress, clock: Clock) -> None:
    for _ in range(10):
        clock.now += STUCK_SECONDS - 1
        progress.waits_for("committing a batch", "connection refused")
        assert (await vitals.live()).ok


async def test_metrics_ask_for_their_gauges_and_are_told_without_those_that_cannot_be_read(progress: Progress) -> None:
    registry = CollectorRegistry()
    gauge = Gauge("finsentry_test_marks", "Of this test", registry=registry)
    vitals = Vitals(registry, progress, STUCK_SECONDS)

    async def gauges() -> None:
        gauge.set(3)
        raise Unavailable("Postgres is away")

    vitals.gauges_are_read_by(gauges)
    async with served(vitals) as session, session.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        assert "finsentry_test_marks 3.0" in await response.text()


async def test_a_taken_port_is_named_with_its_variable(vitals: Vitals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(monitor_http_port=taken.getsockname()[1])
        with pytest.raises(ConfigurationError, match="is taken: set FINSENTRY_MONITOR_HTTP_PORT to a free port"):
            async with serving_vitals(vitals, settings, "monitor_http_port"):
                pass


async def test_an_address_of_another_machine_is_named_with_its_variable(vitals: Vitals) -> None:
    settings = Settings(listen_address="192.0.2.1")
    with pytest.raises(ConfigurationError, match="FINSENTRY_LISTEN_ADDRESS"):
        async with serving_vitals(vitals, settings, "worker_http_port"):
            pass


async def test_port_0_serves_nothing(vitals: Vitals) -> None:
    async with serving_vitals(vitals, Settings(worker_http_port=0), "worker_http_port"):
        pass
