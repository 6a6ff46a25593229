"""What `/openapi.json` says about `POST /v1/documents`: bodies, answers and examples of both.

The models are for documentation and tests; answers are written without them.
"""

from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field

from stream_worker.domain.lanes import Lane
from stream_worker.domain.refusals import Reason
from stream_worker.domain.wire import wire_schema
from stream_worker.ingest.gateway.items import MediaType

PROBLEM_TYPE = "application/problem+json"

DESCRIPTION = """\
Takes financial news and comments in and publishes them to Kafka, from where finsentry scores them.

An answer of 202 or 207 means that the broker and its replicas have the accepted documents. Whatever was answered, or
if no answer came: **sending the same again is harmless.** A document is known by its `source` and `id` (else `url`,
else its text and time), and the same content of it counts once.
"""

_POST_DESCRIPTION = """\
One document or a list of them as JSON, or a document a line as NDJSON; gzip with `Content-Encoding: gzip`. A bad
document does not hinder the good ones beside it: 202 where all were accepted, 207 where some were, 422 where none was.

`lane=backfill` is for history: it waits until live documents leave room, and is treated alike otherwise.

With an `Idempotency-Key` (1 to 255 printable characters, its own for each body) a repeated request gets the first
one's answer and is not published again. The gateway remembers answers for a day, at most some thousands, and forgets
them when it restarts; a repeat is then published once more and recognised as a duplicate later.
"""


class AcceptedDocument(BaseModel):
    """A document that Kafka has."""

    index: int = Field(description="Its place in the list, or the number of its line, from 0.")
    document_id: str = Field(description="Under which it will be found.", pattern="^[0-9a-f]{32}$")
    topic: str
    partition: int
    offset: int


class RejectedDocument(BaseModel):
    """A document that was not published."""

    index: int = Field(description="Its place in the list, or the number of its line, from 0.")
    field: str | None = Field(description="The field that is wrong; null where it is the document as a whole.")
    reason: Reason
    detail: str = Field(description="For people.")


class Outcome(BaseModel):
    """What became of each document."""

    accepted: list[AcceptedDocument]
    rejected: list[RejectedDocument]


class ProblemDetails(BaseModel):
    """What is wrong with the request as a whole (RFC 9457)."""

    title: str
    status: int
    detail: str


_DOCUMENT = {
    "source": "wire",
    "id": "2024-0305-7",
    "kind": "news",
    "published_at": "2024-03-05T10:00:00Z",
    "title": "Apple soars as Nokia cuts outlook",
    "url": "https://example.org/7",
}
_CORRECTION = {**_DOCUMENT, "title": "Apple gains as Nokia cuts outlook", "updated_at": "2024-03-05T10:04:00Z"}
_RETRACTION = {"op": "retract", "source": "wire", "id": "2024-0305-7", "updated_at": "2024-03-05T11:30:00Z"}
_COMMENT = {
    "source": "forum",
    "kind": "comment",
    "published_at": "2024-03-05T11:00:05+01:00",
    "url": "https://example.org/c/9",
    "author": "longview",
    "text": "Selling everything",
}
_WITHOUT_KIND = {"source": "wire", "id": "2024-0305-8", "published_at": "2024-03-05T10:01:00Z", "title": "Oil falls"}

_ACCEPTED = {
    "index": 0,
    "document_id": "0cc0a1e8ba15cc6ac1ff4f4fca6c1df0",
    "topic": "documents",
    "partition": 2,
    "offset": 1407,
}
_REJECTED = {"index": 1, "field": "kind", "reason": "missing_field", "detail": "kind is missing"}

#: Bodies that can be posted as they are.
EXAMPLES: dict[MediaType, dict[str, Any]] = {
    MediaType.JSON: {
        "document": {"summary": "One document", "value": _DOCUMENT},
        "correction": {"summary": "A new revision of it", "value": _CORRECTION},
        "retraction": {"summary": "Taking it back", "value": _RETRACTION},
        "list": {"summary": "Several at once", "value": [_DOCUMENT, {**_DOCUMENT, "id": "2024-0305-9"}]},
        "partly bad list": {"summary": "The second lacks its kind: 207", "value": [_DOCUMENT, _WITHOUT_KIND]},
    },
    MediaType.NDJSON: {
        "lines": {
            "summary": "A document a line",
            "value": "".join(orjson.dumps(one).decode() + "\n" for one in (_DOCUMENT, _COMMENT)),
        }
    },
}


def _outcome(description: str, accepted: list[Any], rejected: list[Any]) -> dict[str, Any]:
    content = {"application/json": {"example": {"accepted": accepted, "rejected": rejected}}}
    return {"model": Outcome, "description": description, "content": content}


def _problem(description: str, *headers: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}
    shown = {name: {"schema": {"type": "string"}} for name in headers}
    return {"description": description, "headers": shown, "content": {PROBLEM_TYPE: {"schema": schema}}}


_RESPONSES: dict[int | str, dict[str, Any]] = {
    202: _outcome("All documents were accepted and stand in Kafka.", [_ACCEPTED], []),
    207: _outcome("Some documents were accepted and stand in Kafka; the others are bad.", [_ACCEPTED], [_REJECTED]),
    422: _outcome("All documents are bad; or a Problem: the Idempotency-Key had another body.", [], [_REJECTED]),
    400: _problem("The body is not gzip, the Idempotency-Key is none, or there is no such lane."),
    401: _problem("No API key, or an unknown one.", "WWW-Authenticate"),
    403: _problem("The key lacks the scope that the lane needs.", "WWW-Authenticate"),
    408: _problem("The body did not arrive in time."),
    409: _problem("The first request with this Idempotency-Key is under way.", "Retry-After"),
    413: _problem("The body is too large or has too many documents."),
    415: _problem("Another Content-Type or Content-Encoding than those below."),
    421: _problem("Without API keys, only 127.0.0.1 and localhost are answered."),
    429: _problem("The gateway has as much in hand as it may.", "Retry-After"),
    503: _problem(
        "Kafka is away, or did not acknowledge in time: whether it has the documents is open.", "Retry-After"
    ),
}

#: The arguments of FastAPI's route.
POST_DOCUMENTS: dict[str, Any] = {
    "status_code": 202,
    "summary": "Take documents in",
    "description": _POST_DESCRIPTION,
    "responses": _RESPONSES,
    "openapi_extra": {
        "parameters": [
            {
                "name": "lane",
                "in": "query",
                "schema": {"type": "string", "enum": list(Lane), "default": Lane.LIVE},
                "description": "For history: backfill. A key needs the scope documents:write for live documents, and "
                "documents:backfill for history.",
            },
            {
                "name": "Idempotency-Key",
                "in": "header",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
                "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
            },
        ],
        "requestBody": {
            "required": True,
            "content": {
                MediaType.JSON.value: {
                    "schema": {
                        "oneOf": [
                            {"$ref": "#/components/schemas/Document"},
                            {"type": "array", "items": {"$ref": "#/components/schemas/Document"}, "minItems": 1},
                        ]
                    },
                    "examples": EXAMPLES[MediaType.JSON],
                },
                MediaType.NDJSON.value: {"schema": {"type": "string"}, "examples": EXAMPLES[MediaType.NDJSON]},
            },
        },
        "security": [{"apiKey": []}, {}],
    },
}


def openapi(app: FastAPI) -> dict[str, Any]:
    """The description of the app, with the schema of documents that the worker reads by."""
    described = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = described.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Document"] = wire_schema("document").definition
    schemas[ProblemDetails.__name__] = ProblemDetails.model_json_schema()
    components["securitySchemes"] = {
        "apiKey": {"type": "http", "scheme": "bearer", "description": "Needed where the gateway has keys configured."}
    }
    return described
