"""One request from its headers to its answer."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from stream_worker.domain.lanes import Lane
from stream_worker.errors import Unavailable
from stream_worker.ingest.gateway.access import Access
from stream_worker.ingest.gateway.answers import Answer, Answers
from stream_worker.ingest.gateway.bodies import ClientGone, read_body
from stream_worker.ingest.gateway.in_flight import InFlight, Share
from stream_worker.ingest.gateway.items import Bad, Good, MediaType, check, items_of
from stream_worker.ingest.gateway.keys import Scope
from stream_worker.ingest.gateway.outlet import Outlet, Place
from stream_worker.metrics import GATEWAY_DOCUMENTS, GATEWAY_REQUEST_SECONDS, GATEWAY_REQUESTS

#: Kafka's absence is a matter of seconds or more; a document sent again is at worst a duplicate.
_RETRY_SECONDS = 5

_SCOPES = {Lane.LIVE: Scope.WRITE, Lane.BACKFILL: Scope.BACKFILL}


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one request."""

    body_bytes: int
    body_seconds: float
    documents: int


class Intake:
    """Takes documents in: who asks, may they, what is in it, is it good, does Kafka have it."""

    def __init__(
        self,
        access: Access,
        limits: Limits,
        in_flight: InFlight,
        outlet: Outlet,
        answers: Answers,
        now: Callable[[], datetime],
    ) -> None:
        self._access = access
        self._limits = limits
        self._in_flight = in_flight
        self._outlet = outlet
        self._answers = answers
        self._now = now

    async def post(self, request: Request) -> Response:
        """The answer to a POST of documents. Raises HTTPException where it says nothing about single documents."""
        began = time.perf_counter()
        status = 500
        try:
            response = await self._post(request)
            status = response.status_code
        except Unavailable as error:
            status = 503
            detail = f"{error} Send the same again: what Kafka has already is recognised, and counted once."
            raise HTTPException(status, detail, {"Retry-After": str(_RETRY_SECONDS)}) from None
        except HTTPException as problem:
            status = problem.status_code
            raise
        finally:
            GATEWAY_REQUESTS.labels(status).inc()
            GATEWAY_REQUEST_SECONDS.observe(time.perf_counter() - began)
        return response

    async def _post(self, request: Request) -> Response:
        headers = request.headers
        lane = _lane(request)
        caller = self._access.caller(headers, _SCOPES[lane])
        media_type = _media_type(headers)
        self._outlet.require_kafka()
        with Share(self._in_flight) as share:
            try:
                body = await read_body(
                    request.receive, headers, self._limits.body_bytes, self._limits.body_seconds, share
                )
            except ClientGone:
                return Response(status_code=400)
            key = headers.get("idempotency-key")
            if key is None:
                return _response(await self._take(body, media_type, lane, share))
            name = (caller, key)
            remembered = self._answers.begin(name, _fingerprint(body, media_type, lane))
            if remembered is not None:
                return _response(remembered, replayed=True)
            answer = None
            try:
                answer = await self._take(body, media_type, lane, share)
            finally:
                self._answers.finish(name, answer)
            return _response(answer)

    async def _take(self, body: bytes, media_type: MediaType, lane: Lane, share: Share) -> Answer:
        items = items_of(body, media_type, self._limits.documents)
        share.take_documents(len(items))
        good, bad = await check(items, self._now(), self._outlet.max_message_bytes)
        places = await self._outlet.publish(lane, [(one.document_id.encode(), one.message) for one in good])
        GATEWAY_DOCUMENTS.labels("accepted").inc(len(good))
        for reason, count in Counter(one.reason for one in bad).items():
            GATEWAY_DOCUMENTS.labels(reason).inc(count)
        return _answer(self._outlet.topic(lane), good, places, bad)


def _answer(topic: str, good: list[Good], places: list[Place], bad: list[Bad]) -> Answer:
    """202 where all documents were accepted, 207 where some were, 422 where none was."""
    accepted = [
        {
            "index": one.index,
            "document_id": one.document_id,
            "topic": topic,
            "partition": place.partition,
            "offset": place.offset,
        }
        for one, place in zip(good, places, strict=True)
    ]
    status = 202 if not bad else 207 if good else 422
    return Answer(status, orjson.dumps({"accepted": accepted, "rejected": bad}))


def _lane(request: Request) -> Lane:
    """Raises HTTPException 400."""
    name = request.query_params.get("lane", Lane.LIVE)
    try:
        return Lane(name)
    except ValueError:
        raise HTTPException(400, f"lane must be {' or '.join(Lane)}.") from None


def _media_type(headers: Mapping[str, str]) -> MediaType:
    """Raises HTTPException 415. A page of another site cannot send these types without asking first (CORS)."""
    name, _, parameters = headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    try:
        media_type = MediaType(name.strip().lower())
    except ValueError:
        raise HTTPException(415, f"Content-Type must be {MediaType.JSON} or {MediaType.NDJSON}.") from None
    if charset not in ("", "utf-8", "utf8"):
        raise HTTPException(415, "JSON is UTF-8: send it so, or without a charset.")
    return media_type


def _fingerprint(body: bytes, media_type: MediaType, lane: Lane) -> bytes:
    return blake2b(body, digest_size=16, salt=lane.encode(), person=media_type.encode()[:16]).digest()


def _response(answer: Answer, *, replayed: bool = False) -> Response:
    headers = {"Idempotency-Replayed": "true"} if replayed else None
    return Response(answer.body, answer.status, headers, "application/json")
