"""`finsentry doctor` as a person runs it, with the stub models: what it sees, what it says of what is missing, and that
it leaves no trace."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from stream_worker.local.servers import Servers
from stream_worker.settings import Settings
from stream_worker.storage.live_reader import LiveReader
from tests.services.deployment import Deployment, deployed, environment


@pytest.fixture
async def deployment(servers: Servers, settings: Settings, tmp_path: Path) -> AsyncIterator[Deployment]:
    async with deployed(settings, tmp_path / "logs") as deployment:
        yield deployment


async def examined(settings: Settings, *options: str) -> tuple[int, str]:
    """Exit code and output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stream_worker.cli", "doctor", *options),
        env=environment(settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert errors == b"", errors.decode()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def failing_step(settings: Settings) -> dict[str, Any]:
    """The step at which the document stops."""
    code, output = await examined(settings, "--json", "--timeout", "4")
    report = json.loads(output)
    assert (code, report["ok"]) == (1, False)
    assert [step["name"] for step in report["steps"] if step["problem"]] == [report["steps"][-1]["name"]]
    step: dict[str, Any] = report["steps"][-1]
    return step


async def test_each_service_that_is_missing_is_named_until_a_document_comes_through_and_leaves_no_trace(
    deployment: Deployment,
) -> None:
    settings = deployment.settings
    step = await failing_step(settings)
    assert step["name"] == "receipt"
    assert f"No worker is in the group {settings.consumer_group}: start `finsentry worker`." in step["problem"]

    await deployment.start("worker")
    await deployment.until("SELECT count(*) FROM receipts WHERE outcome = 'accepted'", 2)
    step = await failing_step(settings)
    assert step["name"] == "window"
    assert "it does not run (start `finsentry monitor`)" in step["problem"]

    await deployment.start("monitor")
    code, output = await examined(settings)
    assert code == 0, output
    lines = output.splitlines()
    assert [line[0] for line in lines if line.startswith(("✓", "✗"))] == ["✓"] * 8
    assert lines[-1].startswith("A document comes through, and out again:")
    await deployment.until("SELECT count(*) FROM dirty_marks", 0)
    assert await deployment.rows("SELECT DISTINCT source FROM documents") == [("finsentry-doctor",)]
    assert await deployment.value("SELECT count(*) FROM documents WHERE is_retraction") == 3
    assert await deployment.value("SELECT count(*) FROM mentions") == 0
    assert await deployment.value("SELECT count(*) FROM windows") == 0
    feed = LiveReader(settings.require_redis_url()).market().feed
    assert feed is not None
    assert feed.documents == ()


async def test_servers_that_are_away_and_topics_that_are_missing_are_named(
    deployment: Deployment, servers: Servers
) -> None:
    settings = deployment.settings
    step = await failing_step(settings.model_copy(update={"topic_prefix": "nowhere."}))
    assert step["name"] == "kafka"
    assert step["problem"].startswith("There is no topic nowhere.documents, ")
    assert step["problem"].endswith(": run `finsentry topics apply`.")
    servers.postgres.stop()
    try:
        step = await failing_step(settings)
    finally:
        servers.postgres.start()
    assert step["name"] == "postgres"
    assert "Postgres does not answer: check FINSENTRY_DATABASE_URL" in step["problem"]
