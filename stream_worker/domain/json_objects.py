"""A message's bytes → a JSON object, or the reason why they are none."""

from collections.abc import Mapping
from typing import Any

import orjson

from stream_worker.domain.refusals import Reason
from stream_worker.errors import InvalidDocument

MAX_DEPTH = 64


def json_object(message: bytes | None) -> Mapping[str, Any]:
    """The fields of the object. Raises InvalidDocument."""
    if not message or message.isspace():
        raise InvalidDocument(Reason.EMPTY, "the message has no content")
    if message.count(b"{") + message.count(b"[") > MAX_DEPTH and _depth(message) > MAX_DEPTH:
        raise InvalidDocument(Reason.TOO_DEEP, f"JSON nested over {MAX_DEPTH} levels deep")
    try:
        value = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        try:
            message.decode()
        except UnicodeDecodeError as undecodable:
            raise InvalidDocument(Reason.NOT_UTF8, f"byte {undecodable.start}: {undecodable.reason}") from None
        raise InvalidDocument(Reason.NOT_JSON, str(error)) from None
    if not isinstance(value, dict):
        raise InvalidDocument(Reason.NOT_AN_OBJECT, f"a JSON {type(value).__name__}, not an object")
    return value


def _depth(message: bytes) -> int:
    """Deepest nesting of brackets outside strings."""
    depth = deepest = 0
    in_string = escaped = False
    for byte in message:
        if in_string:
            in_string = escaped or byte != 0x22
            escaped = byte == 0x5C and not escaped
        elif byte == 0x22:
            in_string = True
        elif byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest
