"""A small run of worker, monitor and gateway: what they tell at `/metrics`, and what `finsentry status` makes of them,
started elsewhere than by `finsentry up`."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from stream_worker import metrics
from stream_worker.local.ports import free_port
from stream_worker.settings import Settings
from tests.services.deployment import Deployment, deployed, document, environment

GERMAN = "Die Aktien der Deutschen Bank steigen nach den Zahlen um drei Prozent"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a port for each service."""
    ports = ("worker_http_port", "monitor_http_port", "gateway_port")
    return settings.model_copy(update={name: free_port() for name in ports})


@pytest.fixture
async def deployment(settings: Settings, tmp_path: Path) -> AsyncIterator[Deployment]:
    async with deployed(settings, tmp_path / "logs") as deployment:
        for service in ("worker", "monitor", "gateway"):
            await deployment.start(service)
        for port in (settings.worker_http_port, settings.monitor_http_port, settings.gateway_port):
            await _until_ready(port)
        yield deployment


async def _until_ready(port: int) -> None:
    async with asyncio.timeout(60), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
                    if response.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.1)


async def told(port: int) -> dict[str, dict[str, float]]:
    """Samples by the name of their metric."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as response:
        body = await response.text()
    return {
        family.name: {f"{s.name}{s.labels}": s.value for s in family.samples}
        for family in text_string_to_metric_families(body)
    }


def defined(registry: CollectorRegistry) -> set[str]:
    """The names in the code."""
    return {family.name for family in registry.collect() if family.name.startswith("finsentry_")}


async def status(settings: Settings) -> tuple[int, dict[str, Any]]:
    """Of the deployment, as a script reads it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stream_worker.cli", "status", "--json"),
        env=environment(settings),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    report: dict[str, Any] = json.loads(output)
    return process.returncode, report


async def test_every_metric_is_told_after_a_small_run_and_status_says_what_is_wrong_later(
    deployment: Deployment,
) -> None:
    settings = deployment.settings
    gateway = f"http://127.0.0.1:{settings.gateway_port}/v1/documents"
    posted = [json.loads(document("Apple soars")), {"title": "bad"}]
    async with aiohttp.ClientSession() as session, session.post(gateway, json=posted) as response:
        assert response.status == 207
    await deployment.send([document("Apple soars", 1), document("Nokia cuts", 2), b"junk", document(GERMAN, 3)])
    await deployment.send([document("Nokia cuts", 2)])
    await deployment.until("SELECT count(*) FROM receipts", 6)
    await deployment.until("SELECT count(*) FROM dirty_marks", 0)
    await deployment.until("SELECT count(*) FROM publications", 0)

    ports = {
        settings.worker_http_port: metrics.WORKER,
        settings.monitor_http_port: metrics.MONITOR,
        settings.gateway_port: metrics.GATEWAY,
    }
    for port, registry in ports.items():
        samples = await told(port)
        assert {name for name in defined(registry) if not samples.get(name)} == set()
        assert samples["process_resident_memory_bytes"]["process_resident_memory_bytes{}"] > 1e7

    worker = await told(settings.worker_http_port)
    outcomes = worker["finsentry_receipts"]
    assert outcomes["finsentry_receipts_total{'lane': 'live', 'outcome': 'accepted'}"] == 4
    assert outcomes["finsentry_receipts_total{'lane': 'live', 'outcome': 'duplicate'}"] == 1
    assert outcomes["finsentry_receipts_total{'lane': 'live', 'outcome': 'dead_letter'}"] == 1
    dead = worker["finsentry_dead_letters"]
    assert dead["finsentry_dead_letters_total{'lane': 'live', 'reason': 'not_json'}"] == 1
    assert worker["finsentry_unscored_documents"]["finsentry_unscored_documents_total{'reason': 'other_language'}"] == 1
    latency = worker["finsentry_publish_to_commit_seconds"]
    assert latency["finsentry_publish_to_commit_seconds_count{'lane': 'live'}"] == 6
    assert 0 < latency["finsentry_publish_to_commit_seconds_sum{'lane': 'live'}"] < 60
    assert worker["finsentry_batches_in_flight"]["finsentry_batches_in_flight{'lane': 'live'}"] == 0

    code, report = await status(settings)
    assert (code, report["problems"]) == (0, [])
    assert {name: process["health"]["ready"] for name, process in report["processes"].items()} == {
        "worker": True,
        "monitor": True,
        "gateway": True,
    }
    assert report["lanes"]["live"]["waiting"] == 0
    assert report["activity"]["latencies"]["live"]["p50_seconds"] > 0
    assert report["activity"]["dead_letters"] == {"not_json": 1}
    secret = settings.require_redis_url().partition("@")[0].rpartition(":")[2]
    assert secret not in json.dumps(report)

    for worker_process in list(deployment.workers):
        await deployment.stop(worker_process)
    await deployment.send([document("Apple soars again", 4)])
    code, report = await status(settings)
    assert code == 1
    (sentence,) = report["problems"]
    assert sentence.endswith("and 1 documents wait: start `finsentry worker`.")
