"""The documents in a body, and which of them are good.

The rules are those of `stream_worker.domain.documents`, by which the worker will read the same bytes.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import orjson
from starlette.exceptions import HTTPException

from stream_worker.domain.documents import decode
from stream_worker.domain.json_objects import MAX_DEPTH
from stream_worker.domain.refusals import Reason
from stream_worker.errors import InvalidDocument

#: So long other requests may wait while the documents of one are looked at.
_TURN_SECONDS = 0.005


class MediaType(StrEnum):
    """What a body may be."""

    JSON = "application/json"
    NDJSON = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Item:
    """One document of a body; `index` is its place in the list, or the number of its line, from 0."""

    index: int
    message: bytes
    fault: InvalidDocument | None = None


@dataclass(frozen=True, slots=True)
class Good:
    """A document that the worker will accept, under this id."""

    index: int
    document_id: str
    message: bytes


@dataclass(frozen=True, slots=True)
class Bad:
    """A document that the worker would dead-letter. `field` names the wire field that is wrong, where it is one."""

    index: int
    field: str | None
    reason: str
    detail: str


def items_of(body: bytes, media_type: MediaType, most: int) -> list[Item]:
    """The documents in a body, at least one. Raises HTTPException 413 where they, or the lines, are more than `most`.

    A single document and a line are taken as they came; an item of a list is written anew. A list that is empty or
    cannot be read is one item, for `check` to say what is wrong with it.
    """
    if media_type is MediaType.NDJSON:
        return _lines(body, most) or [Item(0, b"")]
    if body.lstrip()[:1] == b"[":
        return _items_of_list(body, most)
    return [Item(0, body)]


async def check(items: Sequence[Item], received_at: datetime, max_message_bytes: int) -> tuple[list[Good], list[Bad]]:
    """Tell the good from the bad. Lets other requests have their turn in between."""
    good: list[Good] = []
    bad: list[Bad] = []
    turn_ends = time.perf_counter() + _TURN_SECONDS
    for item in items:
        try:
            good.append(_checked(item, received_at, max_message_bytes))
        except InvalidDocument as error:
            bad.append(Bad(item.index, error.field, error.reason, error.detail))
        if time.perf_counter() > turn_ends:
            await asyncio.sleep(0)
            turn_ends = time.perf_counter() + _TURN_SECONDS
    return good, bad


def _checked(item: Item, received_at: datetime, max_message_bytes: int) -> Good:
    if item.fault is not None:
        raise item.fault
    if len(item.message) > max_message_bytes:
        detail = f"the document has {len(item.message)} bytes; at most {max_message_bytes} fit into a message"
        raise InvalidDocument(Reason.TOO_LONG, detail)
    return Good(item.index, decode(item.message, received_at).document_id, item.message)


def _lines(body: bytes, most: int) -> list[Item]:
    lines = body.split(b"\n", most)
    if len(lines) > most and lines.pop():
        raise _too_many(most)
    return [Item(index, line) for index, line in enumerate(lines) if line and not line.isspace()]


def _items_of_list(body: bytes, most: int) -> list[Item]:
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError:
        return [Item(0, body)]
    if len(values) > most:
        raise _too_many(most)
    return [_item(index, value) for index, value in enumerate(values)] or [Item(0, b"")]


def _item(index: int, value: object) -> Item:
    try:
        return Item(index, orjson.dumps(value))
    except orjson.JSONEncodeError:
        # It reads 1,024 levels and writes 254, of which a document may have fewer still.
        return Item(index, b"", InvalidDocument(Reason.TOO_DEEP, f"JSON nested over {MAX_DEPTH} levels deep"))


def _too_many(most: int) -> HTTPException:
    return HTTPException(413, f"A request may have {most} documents, or lines: send fewer at once.")
