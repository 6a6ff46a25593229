"""Messages that are no documents, the way producers really send them: each kind spoils a good document its own way.

For the generator, which must show that junk does no harm, and for tests that count what became of it. No message
contains a line feed.
"""

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

Fields = Mapping[str, Any]
Spoiler = Callable[[Fields, random.Random], bytes]


def junk(kind: str, good: Fields, rng: random.Random) -> bytes:
    """A message of one of `KINDS`, made of a good document with a title."""
    return KINDS[kind](good, rng)


def encode(fields: Fields) -> bytes:
    """A document as one line of JSON."""
    return json.dumps(fields, ensure_ascii=False).encode()


def _with(**changed: Any) -> Spoiler:
    return lambda good, _: encode({**good, **changed})


def _without(*names: str) -> Spoiler:
    return lambda good, _: encode({name: value for name, value in good.items() if name not in names})


def _is(message: bytes) -> Spoiler:
    return lambda _, __: message


def _broken_utf8(good: Fields, rng: random.Random) -> bytes:
    """A byte in the title that no UTF-8 sequence can begin with."""
    message = encode(good)
    place = message.index(b'"title": "') + len(b'"title": "')
    return message[:place] + bytes([rng.choice(range(0xF8, 0x100))]) + message[place:]


def _latin1(good: Fields, _: random.Random) -> bytes:
    return encode({**good, "title": f"Société: {good['title']}"}).decode().encode("latin-1", "replace")


def _truncated(good: Fields, rng: random.Random) -> bytes:
    message = encode(good)
    return message[: rng.randrange(len(message) // 4, len(message) - 1)].decode(errors="ignore").encode()


def _escaped(escape: str) -> Spoiler:
    """The escape, written as such, in front of the title."""
    return lambda good, _: encode(good).replace(b'"title": "', b'"title": "' + escape.encode(), 1)


def _random_bytes(_: Fields, rng: random.Random) -> bytes:
    return b"\xff" + rng.randbytes(rng.randrange(10, 200)).replace(b"\n", b"")


def _huge(good: Fields, _: random.Random) -> bytes:
    """900 kB of text: below Kafka's limit of 1 MiB, far above ours."""
    return encode({**good, "body": "lorem ipsum dolor sit amet, " * (900_000 // 28)})


def _deep(good: Fields, rng: random.Random) -> bytes:
    levels = rng.randrange(100, 5_000)
    return encode(good)[:-1] + b', "extra": ' + b"[" * levels + b"]" * levels + b"}"


#: By name; the names appear in counts.
KINDS: Mapping[str, Spoiler] = {
    "empty_line": _is(b""),
    "blank_line": _is(b" \t "),
    "random_bytes": _random_bytes,
    "broken_utf8": _broken_utf8,
    "latin1": _latin1,
    "utf16": lambda good, _: json.dumps(good).encode("utf-16"),
    "byte_order_mark": lambda good, _: b"\xef\xbb\xbf" + encode(good),
    "truncated": _truncated,
    "plain_text": lambda good, _: f"{good['published_at']} {good['title']}".encode(),
    "single_quotes": lambda good, _: str(dict(good)).replace('"', "'").encode(),
    "two_objects": lambda good, _: encode(good) + b" " + encode(good),
    "nan_literal": lambda good, _: encode({**good, "weight": float("nan")}),
    "lone_surrogate": _escaped("\\ud800"),
    "invalid_escape": _escaped("\\x41"),
    "deep_nesting": _deep,
    "empty_object": _is(b"{}"),
    "array": lambda good, _: b"[" + encode(good) + b"]",
    "number": lambda _, rng: str(rng.random() * 1e6).encode(),
    "string": lambda good, _: json.dumps(good["title"]).encode(),
    "null": _is(b"null"),
    "no_source": _without("source"),
    "no_kind": _without("kind"),
    "no_time": _without("published_at"),
    "no_text": _without("title", "text", "body"),
    "blank_text": lambda good, _: encode({**_without_text(good), "title": "   "}),
    "unknown_kind": _with(kind="rumour"),
    "number_as_title": _with(title=42),
    "list_as_source": _with(source=["wire"]),
    "object_as_body": _with(body={"html": "<p>text</p>"}),
    "number_as_time": _with(published_at=1_220_000_000),
    "null_character": _escaped("\\u0000"),
    "words_as_time": _with(published_at="yesterday at noon"),
    "month_13": _with(published_at="2008-13-01T00:00:00Z"),
    "year_2099": _with(published_at="2099-01-01T00:00:00Z"),
    "year_1889": _with(published_at="1889-07-14T12:00:00Z"),
    "huge_text": _huge,
    "long_title": _with(title="and so on " * 300),
}


def _without_text(good: Fields) -> dict[str, Any]:
    return {name: value for name, value in good.items() if name not in ("title", "text", "body")}
