"""What was answered under an `Idempotency-Key`, so that a repeated request is answered alike and published once.

In the memory of one gateway, bounded, for a day: a convenience, not a promise that anything rests on. After a restart,
or at another gateway, a repeat is published again, and the worker finds that it knows the document.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass

from starlette.exceptions import HTTPException

KEPT_SECONDS = 24 * 3600.0
_KEPT_BYTES = 32_000_000
_LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that says what became of each document."""

    status: int
    body: bytes


@dataclass(slots=True)
class _Entry:
    fingerprint: bytes
    expires_at: float
    answer: Answer | None = None


#: Caller and key: the same key of two callers is two keys.
Name = tuple[str, str]


class Answers:
    """The newest `most` answers, or as many as fit into 32 MB."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0
        self._entries: OrderedDict[Name, _Entry] = OrderedDict()

    def begin(self, name: Name, fingerprint: bytes) -> Answer | None:
        """The answer that was given under this name; None where this is its first request, to be ended by `finish`.

        Raises HTTPException 400 for a key that is none, 409 while the first request is under way, and 422 where that
        had another body.
        """
        if not 0 < len(name[1]) <= _LONGEST_KEY or not name[1].isprintable():
            raise HTTPException(400, f"An Idempotency-Key has 1 to {_LONGEST_KEY} printable characters.")
        entry = self._entries.get(name)
        if entry is None or entry.expires_at < time.monotonic():
            self.finish(name, None)
            self._entries[name] = _Entry(fingerprint, time.monotonic() + KEPT_SECONDS)
            return None
        if entry.fingerprint != fingerprint:
            raise HTTPException(422, "This Idempotency-Key was used with another body: take a new key for each body.")
        if entry.answer is None:
            raise HTTPException(409, "The first request with this Idempotency-Key is under way.", {"Retry-After": "1"})
        return entry.answer

    def finish(self, name: Name, answer: Answer | None) -> None:
        """Keep the answer for those who ask again; without one, the next request is the first."""
        entry = self._entries.pop(name, None)
        if entry is not None and entry.answer is not None:
            self._bytes -= len(entry.answer.body)
        if entry is None or answer is None:
            return
        self._entries[name] = _Entry(entry.fingerprint, entry.expires_at, answer)
        self._bytes += len(answer.body)
        while len(self._entries) > self._most or self._bytes > _KEPT_BYTES:
            self.finish(next(iter(self._entries)), None)
