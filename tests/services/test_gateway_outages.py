"""Kafka goes and comes, the gateway is told to stop: nobody hangs, and what was accepted is there."""

import asyncio
import itertools
import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import aiohttp
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from stream_worker.local.kafka import Kafka
from tests.services.gateway_process import document, published, running_gateway, with_topics

PUBLISH_SECONDS = 2.0
#: Beyond the deadline: two cores that others use as well.
SLACK_SECONDS = 3.0
HEAD = b"POST /v1/documents HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


async def test_without_kafka_a_request_is_told_to_come_again_and_later_it_is_taken(
    kafka: Kafka, topic_prefix: str, tmp_path: Path
) -> None:
    settings = await with_topics(kafka.address, topic_prefix, gateway_publish_seconds=PUBLISH_SECONDS)
    async with running_gateway(settings, tmp_path / "log") as gateway:
        await gateway.until_ready()
        accepted = [(await gateway.post(document(id="before"))).body["accepted"][0]]
        kafka.kill()
        try:
            for number in range(3):
                began = time.monotonic()
                reply = await gateway.post(document(id=f"meanwhile {number}"))
                assert time.monotonic() - began < PUBLISH_SECONDS + SLACK_SECONDS
                assert reply.status == 503
                assert int(reply.headers["Retry-After"]) > 0
                assert "Send the same again" in reply.body["detail"]
            assert (await gateway.get("/livez"))[0] == 200
            async with asyncio.timeout(10):  # an answer to a probe is kept for a second
                while (ready := await gateway.get("/readyz"))[0] == 200:
                    await asyncio.sleep(0.1)
            assert (ready[0], json.loads(ready[1])["failing"]) == (503, ["kafka"])
        finally:
            kafka.spawn()
            await asyncio.to_thread(kafka.wait_ready)
        async with asyncio.timeout(30):
            while (reply := await gateway.post(document(id="after"))).status != 202:
                await asyncio.sleep(0.1)
        accepted += reply.body["accepted"]
        await gateway.until_ready()
        found = await gateway.published()
        keys = [found[one["partition"], one["offset"]][0].decode() for one in accepted]
        assert keys == [one["document_id"] for one in accepted]


async def test_a_kafka_that_does_not_move_is_waited_for_no_longer_than_promised(
    kafka: Kafka, topic_prefix: str, tmp_path: Path
) -> None:
    settings = await with_topics(kafka.address, topic_prefix, gateway_publish_seconds=PUBLISH_SECONDS)
    async with running_gateway(settings, tmp_path / "log") as gateway:
        await gateway.until_ready()
        os.kill(kafka.process.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            replies = await asyncio.gather(*(gateway.post(document(id=str(n))) for n in range(20)))
            assert time.monotonic() - began < PUBLISH_SECONDS + SLACK_SECONDS
            assert {reply.status for reply in replies} == {503}
            assert await gateway.in_flight_bytes() == 0
        finally:
            os.kill(kafka.process.pid, signal.SIGCONT)
        async with asyncio.timeout(30):
            while (again := await gateway.post([document(id=str(n)) for n in range(20)])).status != 202:
                await asyncio.sleep(0.1)
        sent = {one["document_id"].encode() for one in again.body["accepted"]}
        assert {key for key, _ in (await gateway.published()).values()} == sent


async def test_a_gateway_that_starts_before_kafka_says_so_and_then_works(
    kafka: Kafka, topic_prefix: str, tmp_path: Path
) -> None:
    settings = await with_topics(kafka.address, topic_prefix)
    kafka.kill()
    try:
        async with running_gateway(settings, tmp_path / "log") as gateway:
            async with asyncio.timeout(30):
                while not await _listens(settings.gateway_port):
                    await asyncio.sleep(0.05)
            assert (await gateway.post(document())).status == 503
            kafka.spawn()
            await asyncio.to_thread(kafka.wait_ready)
            await gateway.until_ready()
            assert (await gateway.post(document())).status == 202
    finally:
        if not kafka.process.running():
            kafka.start()


async def test_without_its_topic_the_gateway_says_what_to_do_and_ends(kafka: Kafka, tmp_path: Path) -> None:
    settings = await with_topics(kafka.address, "made.")
    settings = settings.model_copy(update={"topic_prefix": "never-made."})
    async with running_gateway(settings, tmp_path / "log") as gateway, asyncio.timeout(30):
        assert await gateway.process.wait() == 78
    assert "run `finsentry topics apply` first" in (tmp_path / "log").read_text()


async def test_a_limit_that_somebody_lowers_is_noticed_when_the_broker_first_refuses(
    kafka: Kafka, topic_prefix: str, tmp_path: Path
) -> None:
    settings = await with_topics(kafka.address, topic_prefix)
    long = document(id="long", extra="x" * 300_000)
    async with running_gateway(settings, tmp_path / "log") as gateway:
        await gateway.until_ready()
        assert (await gateway.post(long)).status == 202
        await _lower_limit(kafka, settings.topic("documents"), 100_000)
        async with asyncio.timeout(30):
            while (reply := await gateway.post(long)).status != 422:
                assert reply.status == 503
                await asyncio.sleep(0.1)
        assert reply.body["rejected"][0]["reason"] == "too_long"
        assert (await gateway.post(document(id="short"))).status == 202


async def test_sigterm_lets_requests_in_flight_finish(kafka: Kafka, topic_prefix: str, tmp_path: Path) -> None:
    settings = await with_topics(kafka.address, topic_prefix)
    body = json.dumps(document(id="last")).encode()
    async with running_gateway(settings, tmp_path / "log") as gateway:
        await gateway.until_ready()
        reader, writer = await gateway.raw(HEAD % len(body) + body[:10])
        while not await gateway.in_flight_bytes():
            await asyncio.sleep(0.01)
        gateway.process.send_signal(signal.SIGTERM)
        while await _listens(settings.gateway_port):
            await asyncio.sleep(0.05)
        writer.write(body[10:])
        async with asyncio.timeout(20):
            assert (await reader.read()).startswith(b"HTTP/1.1 202 ")
            assert await gateway.process.wait() == 0
    assert [value for _, value in (await published(settings)).values()] == [body]


async def test_what_was_accepted_before_a_kill_is_on_the_topic(kafka: Kafka, topic_prefix: str, tmp_path: Path) -> None:
    settings = await with_topics(kafka.address, topic_prefix)
    told: set[bytes] = set()
    async with running_gateway(settings, tmp_path / "log") as gateway:
        await gateway.until_ready()

        async def post_until_it_dies(sender: int) -> None:
            with suppress(aiohttp.ClientError):
                for number in itertools.count():
                    reply = await gateway.post(document(id=f"{sender}-{number}"))
                    told.update(one["document_id"].encode() for one in reply.body["accepted"])

        senders = asyncio.gather(*(post_until_it_dies(sender) for sender in range(8)))
        while len(told) < 200:
            await asyncio.sleep(0.01)
        await gateway.stop(signal.SIGKILL)
        await senders
    assert len(told) >= 200
    assert told <= {key for key, _ in (await published(settings)).values()}


async def _lower_limit(kafka: Kafka, topic: str, max_message_bytes: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    try:
        configs = {"max.message.bytes": str(max_message_bytes)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])
    finally:
        await admin.close()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
