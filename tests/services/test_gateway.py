"""`POST /v1/documents` against a real broker: what is accepted, what is refused, and what then stands on the topic."""

import asyncio
import gzip
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bench.http_load import load, requests_of
from stream_worker.domain.documents import decode
from stream_worker.domain.lanes import Lane
from stream_worker.ingest.gateway.documentation import EXAMPLES, Outcome, ProblemDetails
from stream_worker.ingest.gateway.items import MediaType
from stream_worker.local.kafka import Kafka
from tests.services.deployment import NOW
from tests.services.gateway_process import Gateway, document, running_gateway, with_topics

NDJSON = "application/x-ndjson"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """One for all tests of this file: each looks only at what it published itself."""
    settings = await with_topics(kafka.address, f"t{uuid.uuid4().hex[:8]}.")
    async with running_gateway(settings, tmp_path_factory.mktemp("gateway") / "log") as running:
        await running.until_ready()
        yield running


async def _messages(gateway: Gateway, accepted: list[dict[str, Any]]) -> list[tuple[bytes, bytes]]:
    """Key and value at each place of an answer."""
    found = await gateway.published()
    return [found[one["partition"], one["offset"]] for one in accepted]


async def test_a_document_stands_on_the_topic_with_its_own_bytes_and_its_id_as_key(gateway: Gateway) -> None:
    body = b' {"title" : "Caf\xc3\xa9 \\u00e9", "kind":"news","published_at":"2024-03-05T10:00:00Z","source":"test"}\n'
    reply = await gateway.post(body)
    assert reply.status == 202
    assert reply.body["rejected"] == []
    (accepted,) = reply.body["accepted"]
    assert accepted["document_id"] == decode(body, NOW).document_id
    assert accepted["topic"] == gateway.settings.topic("documents")
    assert await _messages(gateway, [accepted]) == [(accepted["document_id"].encode(), body)]


async def test_of_a_list_the_good_are_published_and_the_bad_are_told_apart(gateway: Gateway) -> None:
    items = [document(id="a"), document(kind=None), 7, document(id="b", title="x" * 2001), document(id="c")]
    reply = await gateway.post(items)
    assert reply.status == 207
    assert [one["index"] for one in reply.body["accepted"]] == [0, 4]
    assert [(one["index"], one["field"], one["reason"]) for one in reply.body["rejected"]] == [
        (1, "kind", "missing_field"),
        (2, None, "not_an_object"),
        (3, "title", "too_long"),
    ]
    messages = await _messages(gateway, reply.body["accepted"])
    assert [json.loads(value) for _, value in messages] == [items[0], items[4]]


async def test_lines_are_published_as_they_are_and_counted_as_they_stand(gateway: Gateway) -> None:
    lines = [json.dumps(document(id=name), indent=None).encode() + b"  \r" for name in "ab"]
    reply = await gateway.post(b"\n".join([lines[0], b"", b"  ", b"{", lines[1], b""]), content_type=NDJSON)
    assert reply.status == 207
    assert [one["index"] for one in reply.body["accepted"]] == [0, 4]
    assert [(one["index"], one["reason"]) for one in reply.body["rejected"]] == [(3, "not_json")]
    assert [value for _, value in await _messages(gateway, reply.body["accepted"])] == lines


async def test_history_goes_into_a_lane_of_its_own(gateway: Gateway) -> None:
    history = document(id="old", published_at="2008-09-15T10:00:00Z")
    live = await gateway.post(document(id="new"), lane="live")
    backfill = await gateway.post(history, lane="backfill")
    assert (live.status, backfill.status) == (202, 202)
    assert live.body["accepted"][0]["topic"] == gateway.settings.topic("documents")
    (accepted,) = backfill.body["accepted"]
    assert accepted["topic"] == gateway.settings.topic("documents-backfill")
    found = await gateway.published(Lane.BACKFILL)
    assert json.loads(found[accepted["partition"], accepted["offset"]][1]) == history
    assert (await gateway.post(document(), lane="fast")).status == 400
    key = uuid.uuid4().hex
    assert (await gateway.post(history, lane="backfill", idempotency_key=key)).status == 202
    assert (await gateway.post(history, lane="live", idempotency_key=key)).status == 422


_DEEP = b'{"a":' * 100 + b"1" + b"}" * 100


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        (b"", "empty", None),
        (b" \n ", "empty", None),
        (b"[]", "empty", None),
        (b'{"source": "test"', "not_json", None),
        (b'[{"source": "test"}, {]', "not_json", None),
        (b'{"source": "\xff"}', "not_utf8", None),
        (b'[{"source": "\xff"}]', "not_utf8", None),
        (b'"just a string"', "not_an_object", None),
        (_DEEP, "too_deep", None),
        (b"[" + _DEEP + b"]", "too_deep", None),
        (b'[{"a":' + b"[" * 400 + b"]" * 400 + b"}]", "too_deep", None),
        (b"[" * 5000 + b"]" * 5000, "too_deep", None),
        (json.dumps(document(title="a\0b")).encode(), "bad_character", "title"),
        (json.dumps(document(title=["Up"])).encode(), "wrong_type", "title"),
        (json.dumps(document(title="\ud800")).encode(), "not_json", None),
        (json.dumps(document(published_at="yesterday")).encode(), "bad_time", "published_at"),
        (json.dumps(document(schema="finsentry.document/2")).encode(), "unknown_schema", "schema"),
        (json.dumps(document(title=None)).encode(), "no_text", "title"),
    ],
)
async def test_a_bad_document_is_refused_with_the_reason_that_the_worker_would_give(
    gateway: Gateway, body: bytes, reason: str, field: str | None
) -> None:
    reply = await gateway.post(body)
    assert reply.status == 422
    assert reply.body["accepted"] == []
    (rejected,) = reply.body["rejected"]
    assert (rejected["index"], rejected["reason"], rejected["field"]) == (0, reason, field)
    assert rejected["detail"]


async def test_a_document_that_no_message_can_carry_does_not_hinder_its_neighbour(gateway: Gateway) -> None:
    reply = await gateway.post([document(id="huge", extra="x" * 1_100_000), document(id="small")])
    assert reply.status == 207
    assert [(one["index"], one["reason"]) for one in reply.body["rejected"]] == [(0, "too_long")]
    assert [one["index"] for one in reply.body["accepted"]] == [1]


async def test_the_largest_document_that_is_accepted_reaches_the_topic(gateway: Gateway) -> None:
    refused = await gateway.post(document(id="huge", extra="x" * 1_100_000))
    limit = int(refused.body["rejected"][0]["detail"].partition("at most ")[2].split()[0])
    body = json.dumps(document(id="full", extra="")).encode()
    body = body.replace(b'"extra": ""', b'"extra": "%s"' % (b"x" * (limit - len(body))))
    assert len(body) == limit
    reply = await gateway.post(body)
    assert reply.status == 202
    assert (await _messages(gateway, reply.body["accepted"]))[0][1] == body
    assert (await gateway.post(body + b" ")).body["rejected"][0]["reason"] == "too_long"


async def test_a_body_over_the_limit_is_refused_whether_its_length_is_announced_or_not(gateway: Gateway) -> None:
    limit = gateway.settings.gateway_body_bytes
    announced = await gateway.post(b"[" + b" " * limit)
    assert announced.status == 413
    assert str(limit) in announced.body["detail"]

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(limit // 65536 + 2):
            yield b" " * 65536

    headers = {"content-type": "application/json"}
    async with gateway.session.post("/v1/documents", data=chunks(), headers=headers) as response:
        assert response.status == 413
    assert await gateway.in_flight_bytes() == 0


async def test_too_many_documents_are_refused_before_any_is_published(gateway: Gateway) -> None:
    most = gateway.settings.gateway_body_documents
    before = len(await gateway.published())
    assert (await gateway.post([document()] * (most + 1))).status == 413
    line = json.dumps(document()).encode() + b"\n"
    assert (await gateway.post(line * (most + 1), content_type=NDJSON)).status == 413
    assert (await gateway.post(b"\n" * 3_000_000, content_type=NDJSON)).status == 413
    assert len(await gateway.published()) == before
    assert (await gateway.post(line * most, content_type=NDJSON)).status == 202


async def test_gzip_is_taken_and_a_bomb_is_not(gateway: Gateway) -> None:
    body = json.dumps([document(id="packed"), document(id="packed too")]).encode()
    assert (await gateway.post(gzip.compress(body), content_encoding="gzip")).status == 202
    bomb = gzip.compress(b" " * 100_000_000)
    assert len(bomb) < gateway.settings.gateway_body_bytes
    assert (await gateway.post(bomb, content_encoding="gzip")).status == 413
    assert (await gateway.post(gzip.compress(body)[:-9], content_encoding="gzip")).status == 400
    assert (await gateway.post(body, content_encoding="gzip")).status == 400
    assert (await gateway.post(body, content_encoding="br")).status == 415


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/x-www-form-urlencoded"}, 415),
        ({"content_type": "application/json; charset=utf-16"}, 415),
        ({"content_type": "application/json; charset=UTF-8"}, 202),
        ({"host": "attacker.example"}, 421),
        ({"host": "127.0.0.1.attacker.example"}, 421),
        ({"host": "localhost:1"}, 202),
    ],
)
async def test_a_page_in_a_browser_of_this_machine_can_post_nothing(
    gateway: Gateway, headers: dict[str, str], status: int
) -> None:
    assert (await gateway.post(document(), **headers)).status == status


async def test_a_repeat_under_the_same_key_gets_the_first_answer_and_is_published_once(gateway: Gateway) -> None:
    key = uuid.uuid4().hex
    body = [document(id=key), {"kind": "news"}]
    first = await gateway.post(body, idempotency_key=key)
    again = await gateway.post(body, idempotency_key=key)
    assert (first.status, again.status) == (207, 207)
    assert first.body == again.body
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len([value for _, value in (await gateway.published()).values() if key.encode() in value]) == 1


async def test_a_key_of_another_body_is_refused(gateway: Gateway) -> None:
    key = uuid.uuid4().hex
    assert (await gateway.post(document(id=key), idempotency_key=key)).status == 202
    refused = await gateway.post(document(id="other"), idempotency_key=key)
    assert refused.status == 422
    assert "another body" in refused.body["detail"]
    assert (await gateway.post(document(id=key), idempotency_key="k" * 256)).status == 400


async def test_every_example_of_the_documentation_is_answered_as_it_says(gateway: Gateway) -> None:
    described = json.loads((await gateway.get("/openapi.json"))[1])
    operation = described["paths"]["/v1/documents"]["post"]
    for media_type in MediaType:
        examples = operation["requestBody"]["content"][media_type]["examples"]
        assert examples == EXAMPLES[media_type]
        for name, example in examples.items():
            value = example["value"]
            reply = await gateway.post(value.encode() if isinstance(value, str) else value, content_type=media_type)
            assert reply.status == (207 if "bad" in name else 202), (name, reply.body)
            assert str(reply.status) in operation["responses"]
            Outcome.model_validate(reply.body, strict=False, extra="forbid")
    problem = await gateway.post(b"", content_type="text/plain")
    ProblemDetails.model_validate(problem.body, extra="forbid")
    assert problem.headers["content-type"] == "application/problem+json"


async def test_paths_and_methods_that_do_not_exist_are_told_as_problems(gateway: Gateway) -> None:
    for path, status in (("/v1/document", 404), ("/v1/documents", 405)):
        found, text = await gateway.get(path)
        assert (found, json.loads(text)["status"]) == (status, status)


async def test_many_at_once_are_all_published_each_once(gateway: Gateway) -> None:
    before = set(await gateway.published())
    replies = await asyncio.gather(*(gateway.post([document(id=f"m{n}"), document(id=f"n{n}")]) for n in range(100)))
    assert {reply.status for reply in replies} == {202}
    places = [(one["partition"], one["offset"]) for reply in replies for one in reply.body["accepted"]]
    assert len(places) == len(set(places)) == 200
    assert set(await gateway.published()) - before == set(places)


@pytest.mark.parametrize(("form", "documents", "rate"), [("json", 1, None), ("json", 20, 100.0), ("ndjson", 50, None)])
async def test_the_bench_posts_every_document_once(
    gateway: Gateway, form: str, documents: int, rate: float | None
) -> None:
    before = set(await gateway.published())
    lines = [json.dumps(document(id=uuid.uuid4().hex)).encode() for _ in range(200)]
    measured = await load(gateway.settings.gateway_port, list(requests_of(lines, documents, form)), rate, connections=8)
    assert (measured.requests, measured.unaccepted) == (200 / documents, 0)
    assert 0 < measured.p50 <= measured.p99 <= measured.longest
    after = await gateway.published()
    values = [json.loads(value) for place, (_, value) in after.items() if place not in before]
    assert sorted(one["id"] for one in values) == sorted(json.loads(line)["id"] for line in lines)
