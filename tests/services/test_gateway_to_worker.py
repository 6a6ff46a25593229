"""From `POST /v1/documents` to the rows in Postgres."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import aiohttp

from stream_worker.local.ports import free_port
from stream_worker.settings import Settings
from tests.services.deployment import deployed, document


async def test_the_worker_stores_what_was_accepted_under_the_ids_that_were_told(
    settings: Settings, tmp_path: Path
) -> None:
    documents = [json.loads(document(f"Apple gains {number}", number)) for number in range(20)]
    documents += [documents[0] | {"title": "Apple falls", "id": "1"}, documents[1] | {"url": "https://example.org/1"}]
    port = free_port()
    async with deployed(settings, tmp_path / "logs") as deployment:
        await deployment.start("worker")
        await deployment.start("gateway", gateway_port=port)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            await _until_ready(session)
            async with session.post("/v1/documents", json=[*documents, documents[0], {"title": "bad"}]) as response:
                assert response.status == 207
                answer = await response.json()
        assert len(answer["accepted"]) == 23
        await deployment.until("SELECT count(*) FROM receipts", 23)
        told = {(one["partition"], one["offset"]): one["document_id"] for one in answer["accepted"]}
        stored = await deployment.rows("SELECT partition, kafka_offset, document_id FROM receipts")
        assert {(partition, offset): document_id for partition, offset, document_id in stored} == told
        assert await deployment.outcomes() == {"accepted": 22, "duplicate": 1}
        ids = await deployment.rows("SELECT document_id FROM documents")
        assert {document_id for (document_id,) in ids} == set(told.values())


async def _until_ready(session: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(60):
        while True:
            with suppress(aiohttp.ClientError):
                async with session.get("/readyz") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.05)
