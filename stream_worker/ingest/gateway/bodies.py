"""Reading a request's body: never more than is allowed, never for longer than is allowed."""

import asyncio
import zlib
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import Receive

from stream_worker.ingest.gateway.in_flight import Share

_GZIP_WINDOW = 31


class ClientGone(Exception):
    """The connection ended before the body did: there is nobody to answer."""


async def read_body(
    receive: Receive, headers: Mapping[str, str], max_bytes: int, max_seconds: float, share: Share
) -> bytes:
    """The whole body, decompressed where it is gzip; its bytes are taken from `share` before they are read.

    Raises HTTPException 400 (not gzip), 408, 413, 415 (another encoding) or 429, and ClientGone.
    """
    encoding = headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise HTTPException(415, f"Content-Encoding {encoding} is not understood: send gzip or none.")
    try:
        async with asyncio.timeout(max_seconds):
            if encoding == "gzip":
                return await _read_gzip(receive, _Room(headers, max_bytes, share), max_bytes, share)
            return await _read(receive, _Room(headers, max_bytes, share))
    except TimeoutError:
        raise HTTPException(408, f"The body did not arrive within {max_seconds:g} s.") from None


class _Room:
    """What may still be sent."""

    __slots__ = ("_max_bytes", "_read", "_share", "_taken")

    def __init__(self, headers: Mapping[str, str], max_bytes: int, share: Share) -> None:
        """Takes what Content-Length announces, if anything; the HTTP parser has refused one that is no number."""
        self._max_bytes = max_bytes
        self._share = share
        self._read = 0
        self._taken = 0
        self._take(int(headers.get("content-length", 0)))

    def note(self, size: int) -> None:
        """So much has come; a body without Content-Length takes as it comes."""
        self._read += size
        if self._read > self._taken:
            self._take(self._read)

    def _take(self, total: int) -> None:
        if total > self._max_bytes:
            raise _too_large(self._max_bytes)
        self._share.take_bytes(total - self._taken)
        self._taken = total


async def _read(receive: Receive, room: _Room) -> bytes:
    chunk, more = await _receive(receive, room)
    if not more:
        return chunk
    parts = [chunk]
    while more:
        chunk, more = await _receive(receive, room)
        parts.append(chunk)
    return b"".join(parts)


async def _read_gzip(receive: Receive, room: _Room, max_bytes: int, share: Share) -> bytes:
    decompressor = zlib.decompressobj(_GZIP_WINDOW)
    parts: list[bytes] = []
    left = max_bytes
    more = True
    while more:
        chunk, more = await _receive(receive, room)
        try:
            # One byte more than may come: that it came is how too much is noticed.
            part = decompressor.decompress(chunk, left + 1)
        except zlib.error as error:
            raise HTTPException(400, f"The body is not gzip, whatever Content-Encoding says: {error}.") from None
        left -= len(part)
        if left < 0:
            raise _too_large(max_bytes)
        share.take_bytes(len(part))
        parts.append(part)
    if not decompressor.eof or decompressor.unused_data:
        raise HTTPException(400, "The body is not one whole gzip stream.")
    return b"".join(parts)


async def _receive(receive: Receive, room: _Room) -> tuple[bytes, bool]:
    """The next part of the body, and whether there is more."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    chunk: bytes = message.get("body", b"")
    room.note(len(chunk))
    return chunk, message.get("more_body", False)


def _too_large(max_bytes: int) -> HTTPException:
    return HTTPException(413, f"A body may have {max_bytes} bytes, decompressed too: send fewer documents at once.")
