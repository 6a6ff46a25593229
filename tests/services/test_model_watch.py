"""A Triton whose model process is dead or hangs is found out; one that is merely slow is left alone."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from stream_worker.inference.contract import ENTITIES
from stream_worker.local import model_watch
from stream_worker.local.model_watch import ModelWatch
from stream_worker.local.triton import Triton
from stream_worker.settings import Settings
from tests.live_analyzer import open_analyzer


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The times of `model_watch`, shortened."""
    monkeypatch.setattr(model_watch, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(model_watch, "FAILING_SECONDS", 0.5)
    monkeypatch.setattr(model_watch, "SILENT_SECONDS", 1.5)


@pytest.fixture
async def restored_triton(triton: Triton) -> AsyncIterator[Triton]:
    """May be broken: it is started anew afterwards."""
    yield triton
    triton.kill()
    triton.spawn()
    await asyncio.to_thread(triton.wait_ready)


def process_behind(triton: Triton, model: str) -> psutil.Process:
    """Triton's stub for a model."""
    (found,) = (p for p in psutil.Process(triton.process.pid).children() if f"/{model}/" in " ".join(p.cmdline()))
    return found


async def first_ailment(watch: Callable[[], str | None], seconds: float) -> str | None:
    """What is found within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (ailment := watch()) is not None:
            return ailment
        await asyncio.sleep(0.02)
    return None


@asynccontextmanager
async def traffic(triton: Triton, settings: Settings) -> AsyncIterator[None]:
    """Somebody who asks Triton all the time."""

    async def ask() -> None:
        async with open_analyzer(settings) as analyzer:
            while True:
                await analyzer.health()

    asking = asyncio.create_task(ask())
    try:
        yield
    finally:
        asking.cancel()
        await asyncio.wait([asking])


async def test_models_that_answer_are_well(triton: Triton) -> None:
    watch = ModelWatch(triton.address, ENTITIES, start_seconds=1.0)
    assert await first_ailment(watch.ailment, 2.0) is None
    watch.close()


async def test_a_killed_model_process_behind_a_triton_that_says_ready_is_found(restored_triton: Triton) -> None:
    assert await first_ailment(restored_triton.ailment, 1.0) is None
    process_behind(restored_triton, ENTITIES).kill()
    ailment = await first_ailment(restored_triton.ailment, 20.0)
    assert ailment is not None
    assert ailment.startswith("its model entities fails: Stub process")
    assert restored_triton.answers()


async def test_a_model_that_is_too_slow_for_the_watch_but_answers_others_is_left_alone(
    triton: Triton, model_repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_watch, "ANSWER_SECONDS", 1e-6)
    async with traffic(triton, Settings(triton_url=triton.address, model_repository=model_repository)):
        watch = ModelWatch(triton.address, ENTITIES, start_seconds=1.5)
        assert await first_ailment(watch.ailment, 3.0) is None
    watch.close()


async def test_a_triton_that_hangs_is_found_by_its_silence(
    restored_triton: Triton, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_watch, "ANSWER_SECONDS", 0.5)
    watch = ModelWatch(restored_triton.address, ENTITIES, start_seconds=1.5)
    psutil.Process(restored_triton.process.pid).suspend()
    ailment = await first_ailment(watch.ailment, 30.0)
    watch.close()
    assert ailment is not None
    assert "has answered nothing for" in ailment


async def test_a_triton_that_is_still_loading_has_its_time(triton: Triton) -> None:
    nobody = ModelWatch("127.0.0.1:9", ENTITIES, start_seconds=60.0)
    assert await first_ailment(nobody.ailment, 2.0) is None
    nobody.close()
