"""uvicorn's HTTP protocol, with an end to what a client may hold and make us wait for.

uvicorn limits neither the head of a request (its request line and headers) nor its trailers, nor how long it takes.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Everything that is sent but the body: request line, headers, chunk sizes, trailers.
MAX_HEAD_BYTES = 64 * 1024
_REFUSAL = b"HTTP/1.1 %s\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections there may be, and how long a request may take to arrive, in seconds."""

    connections: int
    request_seconds: float


class BoundedProtocol(HttpToolsProtocol):
    """Ends a connection whose request is too long, or does not come to its end."""

    def __init__(self, *, limits: ConnectionLimits, **rest: Any) -> None:
        super().__init__(**rest)
        self._limits = limits
        self._head_bytes = 0
        self._is_arriving = True
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse it where there are too many; else the first request has to come in time."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._refuse(b"503 Service Unavailable")
        else:
            self._deadline = self.loop.call_later(self._limits.request_seconds, transport.close)

    def data_received(self, data: bytes) -> None:
        """Count what is no body, and keep the deadline of a request that has begun and not ended."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")
        elif not self._is_arriving:
            self._forget_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self._limits.request_seconds, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any longer."""
        self._forget_deadline()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins. What of it came in the packet that ended the one before is not counted."""
        self._is_arriving = True
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """A part of the body, which has limits of its own."""
        self._head_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request has arrived."""
        self._is_arriving = False
        self._head_bytes = 0
        super().on_message_complete()

    def _refuse(self, status: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(_REFUSAL % status)
            self.transport.close()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
