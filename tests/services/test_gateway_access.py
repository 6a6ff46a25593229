"""A gateway that asks for API keys, and one that may not listen because it has none."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from stream_worker.ingest.gateway.keys import Scope, new_key
from stream_worker.local.kafka import Kafka
from stream_worker.local.ports import free_port
from stream_worker.settings import Settings
from tests.services.gateway_process import Gateway, document, running_gateway, with_topics

SECRET, KEY = new_key("wire", [Scope.WRITE])
OTHER_SECRET, OTHER_KEY = new_key("forum", [Scope.WRITE, Scope.BACKFILL])
HISTORY_SECRET, HISTORY_KEY = new_key("history", [Scope.BACKFILL])
WIRE = f"Bearer {SECRET}"
FORUM = f"Bearer {OTHER_SECRET}"
HISTORY = f"Bearer {HISTORY_SECRET}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """One that listens on every address of the machine, as it may with keys."""
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "keys").write_text(f"# our sources\n{KEY.line}\n\n{OTHER_KEY.line}  # since May\n{HISTORY_KEY.line}\n")
    settings = await with_topics(
        kafka.address, f"t{uuid.uuid4().hex[:8]}.", gateway_keys=folder / "keys", listen_address="0.0.0.0"
    )
    async with running_gateway(settings, folder / "log") as running:
        await running.until_ready()
        yield running


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer fsk_guessed", f"Basic {SECRET}", SECRET, f"Bearer {SECRET}x", f"Bearer {KEY.digest.hex()}"],
)
async def test_without_a_known_key_nothing_is_taken(gateway: Gateway, authorization: str) -> None:
    reply = await gateway.post(document(), authorization=authorization)
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert SECRET not in reply.body["detail"]


async def test_a_known_key_opens_under_any_host_name(gateway: Gateway) -> None:
    assert (await gateway.post(document(), authorization=WIRE, host="gateway.example")).status == 202
    assert (await gateway.post(document(), authorization=f"bearer  {SECRET} ")).status == 202


async def test_each_lane_asks_for_its_own_scope(gateway: Gateway) -> None:
    refused = await gateway.post(document(), lane="backfill", authorization=WIRE)
    assert refused.status == 403
    assert 'scope="documents:backfill"' in refused.headers["WWW-Authenticate"]
    assert (await gateway.post(document(), lane="backfill", authorization=FORUM)).status == 202
    assert (await gateway.post(document(), authorization=HISTORY)).status == 403
    assert (await gateway.post(document(), lane="backfill", authorization=HISTORY)).status == 202


async def test_callers_do_not_get_each_others_answers(gateway: Gateway) -> None:
    first = await gateway.post(document(id="1"), authorization=WIRE, idempotency_key="1")
    other = await gateway.post(document(id="2"), authorization=FORUM, idempotency_key="1")
    assert (first.status, other.status) == (202, 202)
    assert first.body != other.body


async def test_probes_need_no_key(gateway: Gateway) -> None:
    for path in ("/livez", "/readyz", "/metrics", "/openapi.json"):
        assert (await gateway.get(path))[0] == 200
    assert SECRET not in gateway.log.read_text()


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "::"])
async def test_without_keys_it_does_not_listen_for_others(
    kafka: Kafka, tmp_path_factory: pytest.TempPathFactory, address: str
) -> None:
    log = tmp_path_factory.mktemp("refused") / "log"
    settings = Settings(kafka_bootstrap=kafka.address, listen_address=address, gateway_port=free_port())
    async with running_gateway(settings, log) as gateway, asyncio.timeout(30):
        assert await gateway.process.wait() == 78
    (sentence,) = log.read_text().splitlines()
    assert sentence.startswith(f"finsentry: Without API keys the gateway listens on 127.0.0.1 only, not on {address}")
