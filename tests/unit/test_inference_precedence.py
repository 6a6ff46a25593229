"""History gets the models while live documents do not ask them, and otherwise very little."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_worker.inference.precedence import (
    PASS_TOKENS,
    PATIENCE_SECONDS,
    QUIET_SECONDS,
    RESTS,
    SHORT_PASS_TOKENS,
    LeadingBackend,
    YieldingBackend,
)

IDS = np.zeros((1, 1), dtype=np.int64)


class SteeredBackend:
    """Notes what is begun; a pass ends when told to."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}
        self.error: Exception | None = None

    async def infer(
        self, model: str, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> Mapping[str, NDArray[Any]]:
        self.begun.append(model)
        await self.ends.setdefault(model, asyncio.Event()).wait()
        if self.error is not None:
            raise self.error
        return {}

    async def check(self) -> None:
        pass


class Models:
    """One backend with both ways in."""

    def __init__(self) -> None:
        self.backend = SteeredBackend()
        self.live = LeadingBackend(self.backend)
        self.history = YieldingBackend(self.backend, self.live)

    async def ask(self, side: LeadingBackend | YieldingBackend, model: str) -> "asyncio.Task[Any]":
        task = asyncio.create_task(side.infer(model, IDS, IDS))
        await asyncio.sleep(0.001)
        return task

    async def end(self, *tasks: "asyncio.Task[Any]", model: str) -> None:
        self.backend.ends.setdefault(model, asyncio.Event()).set()
        await asyncio.wait(tasks)
        await asyncio.sleep(0.001)


async def test_a_pass_of_history_waits_until_no_live_pass_is_under_way() -> None:
    models = Models()
    first = await models.ask(models.live, "live")
    second = await models.ask(models.live, "other live")
    history = await models.ask(models.history, "history")
    await models.end(first, model="live")
    assert models.backend.begun == ["live", "other live"]
    await models.end(second, model="other live")
    assert models.backend.begun == ["live", "other live", "history"]
    await models.end(history, model="history")
    assert history.result() == {}


async def test_live_passes_without_a_gap_do_not_keep_history_waiting_for_ever() -> None:
    models = Models()
    await models.ask(models.live, "live without end")
    began = time.monotonic()
    history = await models.ask(models.history, "history")
    await models.end(history, model="history")
    assert history.result() == {}
    assert PATIENCE_SECONDS <= time.monotonic() - began < PATIENCE_SECONDS + 1


async def test_a_live_pass_waits_for_nobody() -> None:
    models = Models()
    await models.ask(models.history, "history")
    await models.ask(models.live, "live")
    assert models.backend.begun == ["history", "live"]


async def test_a_pass_of_each_model_is_under_way_at_a_time_while_no_live_documents_come() -> None:
    models = Models()
    tasks = [await models.ask(models.history, model) for model in ("a", "a", "b")]
    assert models.backend.begun == ["a", "b"]
    await models.end(tasks[0], model="a")
    assert models.backend.begun == ["a", "b", "a"]


async def test_one_pass_of_all_models_is_under_way_at_a_time_while_live_documents_come_and_rests_follow() -> None:
    models = Models()
    live = await models.ask(models.live, "live")
    await models.end(live, model="live")
    first, second = [await models.ask(models.history, model) for model in ("a", "b")]
    assert models.backend.begun == ["live", "a"]
    began = time.monotonic()
    await asyncio.sleep(0.05)
    await models.end(first, model="a")
    assert models.backend.begun == ["live", "a"]
    models.backend.ends["b"] = asyncio.Event()
    models.backend.ends["b"].set()
    await second
    assert time.monotonic() - began >= 0.05 * (1 + RESTS)


async def test_passes_of_history_are_short_while_live_documents_come() -> None:
    models = Models()
    assert models.history.pass_tokens() == PASS_TOKENS
    live = await models.ask(models.live, "live")
    assert models.history.pass_tokens() == SHORT_PASS_TOKENS
    await models.end(live, model="live")
    assert models.history.pass_tokens() == SHORT_PASS_TOKENS
    await asyncio.sleep(QUIET_SECONDS)
    assert models.history.pass_tokens() == PASS_TOKENS


async def test_a_live_pass_that_fails_or_is_cancelled_lets_history_go_on() -> None:
    models = Models()
    models.backend.error = ValueError("no")
    failing = await models.ask(models.live, "failing")
    cancelled = await models.ask(models.live, "cancelled")
    await models.ask(models.history, "history")
    cancelled.cancel()
    await models.end(failing, model="failing")
    assert models.backend.begun == ["failing", "cancelled", "history"]
    with pytest.raises(ValueError, match="no"):
        await failing
