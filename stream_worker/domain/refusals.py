"""Why a message is refused: what its schema finds, as one reason for machines and one sentence for people."""

from collections.abc import Sequence
from enum import StrEnum

import orjson

from stream_worker.domain.wire import Problem, wire_schema
from stream_worker.errors import InvalidDocument


class Reason(StrEnum):
    """Why a message became a dead letter."""

    EMPTY = "empty"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    NOT_AN_OBJECT = "not_an_object"
    UNKNOWN_SCHEMA = "unknown_schema"
    UNKNOWN_OPERATION = "unknown_operation"
    UNKNOWN_BODY_TYPE = "unknown_body_type"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    BAD_CHARACTER = "bad_character"
    UNKNOWN_KIND = "unknown_kind"
    BAD_TIME = "bad_time"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    NO_TEXT = "no_text"
    TOO_LONG = "too_long"
    DATABASE_REFUSED = "database_refused"


def refusal(problems: Sequence[Problem]) -> InvalidDocument:
    """Says the first thing that is wrong; a schema of another version before what follows from it."""
    problem = next((p for p in problems if p.field == "schema"), problems[0])
    field, value = problem.field, problem.value
    shown = repr(value[:50]) if isinstance(value, str) else orjson.dumps(value).decode()[:50]
    match problem.keyword:
        case _ if field == "schema":
            return InvalidDocument(Reason.UNKNOWN_SCHEMA, f"schema is {shown}, not {wire_schema('document').id}", field)
        case "required":
            return InvalidDocument(Reason.MISSING_FIELD, f"{field} is missing", field)
        case "type" if value is None:
            return InvalidDocument(Reason.MISSING_FIELD, f"{field} is null", field)
        case "type":
            return InvalidDocument(Reason.WRONG_TYPE, f"{field} is {shown}, not a string", field)
        case "enum" if field == "op":
            return InvalidDocument(Reason.UNKNOWN_OPERATION, f"op is {shown}, not publish or retract", field)
        case "enum" if field == "body_type":
            return InvalidDocument(Reason.UNKNOWN_BODY_TYPE, f"body_type is {shown}, not text or html", field)
        case "enum":
            return InvalidDocument(Reason.UNKNOWN_KIND, f"{field} is {shown}, not news or comment", field)
        case "maxLength":
            detail = f"{field} has {len(value)} characters; at most {problem.limit} are taken"
            return InvalidDocument(Reason.TOO_LONG, detail, field)
        case "pattern":
            return InvalidDocument(Reason.BAD_CHARACTER, f"{field} contains U+0000", field)
        case _:
            return InvalidDocument(Reason.NO_TEXT, "neither title nor text has content", "title")
