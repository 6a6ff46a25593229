"""What the gateway holds and waits for has an end: slow clients, long heads, too much at once, clients that go away."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from stream_worker.ingest.gateway.protocol import MAX_HEAD_BYTES
from stream_worker.local.kafka import Kafka
from tests.services.gateway_process import Gateway, document, running_gateway, with_topics

BODY_SECONDS = 1.0
BODY_BYTES = 300_000
HEAD = b"POST /v1/documents HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
ANNOUNCED = HEAD + b"content-length: %d\r\n\r\n"
GOOD = json.dumps(document()).encode()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """Room for two bodies, for little time."""
    settings = await with_topics(
        kafka.address,
        f"t{uuid.uuid4().hex[:8]}.",
        gateway_body_seconds=BODY_SECONDS,
        gateway_body_bytes=BODY_BYTES,
        gateway_bytes_in_flight=2 * BODY_BYTES,
        gateway_body_documents=10,
        gateway_documents_in_flight=10,
        gateway_connections=20,
    )
    async with running_gateway(settings, tmp_path_factory.mktemp("gateway") / "log") as running:
        await running.until_ready()
        yield running


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and head of an answer."""
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
    return int(head[9:12]), head.lower()


async def test_while_much_is_in_hand_more_is_refused_before_it_is_read(gateway: Gateway) -> None:
    _, first = await gateway.raw(ANNOUNCED % BODY_BYTES + b"[")
    _, second = await gateway.raw(ANNOUNCED % BODY_BYTES + b"[")
    while await gateway.in_flight_bytes() < 2 * BODY_BYTES:
        await asyncio.sleep(0.01)
    refused = await gateway.post(document())
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) > 0
    for writer in (first, second):
        writer.close()
    while await gateway.in_flight_bytes():
        await asyncio.sleep(0.01)
    assert (await gateway.post(document())).status == 202


async def test_a_body_without_announced_length_is_counted_as_it_comes(gateway: Gateway) -> None:
    await gateway.raw(ANNOUNCED % BODY_BYTES + b"[")
    reader, chunked = await gateway.raw(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    for _ in range(7):
        chunked.write(b"%x\r\n%s\r\n" % (50_000, b" " * 50_000))
    assert (await _answer(reader))[0] == 413


async def test_a_body_that_does_not_come_is_not_waited_for(gateway: Gateway) -> None:
    reader, _ = await gateway.raw(ANNOUNCED % len(GOOD) + GOOD[:-1])
    status, _ = await _answer(reader)
    assert status == 408
    assert await gateway.in_flight_bytes() == 0


async def test_a_slow_client_is_served_as_long_as_it_is_in_time(gateway: Gateway) -> None:
    reader, writer = await gateway.raw(ANNOUNCED % len(GOOD))
    for byte in GOOD:
        writer.write(bytes([byte]))
        await writer.drain()
    assert (await _answer(reader))[0] == 202


async def test_a_connection_that_never_ends_its_request_is_closed(gateway: Gateway) -> None:
    silent, _ = await gateway.raw(b"")
    half_a_head, _ = await gateway.raw(HEAD)
    unread_body, _ = await gateway.raw(ANNOUNCED % (BODY_BYTES + 1))
    assert (await _answer(unread_body))[0] == 413
    async with asyncio.timeout(BODY_SECONDS + 10):
        assert await silent.read() == b""
        assert await half_a_head.read() == b""
        await unread_body.read()


async def test_a_head_without_end_is_refused(gateway: Gateway) -> None:
    reader, _ = await gateway.raw(HEAD + b"x-long: " + b"x" * MAX_HEAD_BYTES)
    assert (await _answer(reader))[0] == 431
    reader, _ = await gateway.raw(HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\nx-long: " + b"x" * MAX_HEAD_BYTES)
    assert (await _answer(reader))[0] == 431


async def test_a_client_that_waits_to_be_asked_is_asked_only_where_its_body_will_be_taken(gateway: Gateway) -> None:
    expecting = HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n"
    reader, _ = await gateway.raw(expecting % (BODY_BYTES + 1))
    assert (await _answer(reader))[0] == 413
    reader, writer = await gateway.raw(expecting % len(GOOD))
    assert (await _answer(reader))[0] == 100
    writer.write(GOOD)
    assert (await _answer(reader))[0] == 202


async def test_more_documents_than_may_be_in_hand_wait_for_others(gateway: Gateway) -> None:
    replies = await asyncio.gather(*(gateway.post([document(id=str(n))] * 10) for n in range(10)))
    statuses = [reply.status for reply in replies]
    assert set(statuses) == {202, 429}
    assert len(await gateway.published()) >= 10 * statuses.count(202)
    assert (await gateway.post([document()] * 10)).status == 202


async def test_more_connections_than_allowed_are_turned_away_at_once(gateway: Gateway) -> None:
    connections = [await gateway.raw(b"") for _ in range(25)]
    try:
        reader, _ = connections[-1]
        status, head = await _answer(reader)
        assert status == 503
        assert b"retry-after" in head
    finally:
        for _, writer in connections:
            writer.close()


async def test_requests_in_one_packet_are_answered_in_order(gateway: Gateway) -> None:
    bad = b'{"kind": 1}'
    reader, _ = await gateway.raw(b"".join(ANNOUNCED % len(body) + body for body in (GOOD, bad, GOOD)))
    statuses = []
    for _ in range(3):
        status, head = await _answer(reader)
        await reader.readexactly(int(head.partition(b"content-length: ")[2].split()[0]))
        statuses.append(status)
    assert statuses == [202, 422, 202]
