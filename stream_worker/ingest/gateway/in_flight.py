"""Back-pressure: what the gateway has in hand is counted, and what would be too much is refused before it is read."""

from types import TracebackType
from typing import Self

from starlette.exceptions import HTTPException

_RETRY_SECONDS = 1


class InFlight:
    """Bytes of bodies and numbers of documents that are being read or wait for Kafka.

    The process needs about three times these bytes (a body, its documents, Kafka's batches), and for a moment the
    decoded form of one body.
    """

    def __init__(self, max_bytes: int, max_documents: int) -> None:
        self.max_bytes = max_bytes
        self.max_documents = max_documents
        self.bytes = 0
        self.documents = 0


class Share:
    """One request's part of what is in flight, given back at the end of the `with` block."""

    __slots__ = ("_bytes", "_documents", "_in_flight")

    def __init__(self, in_flight: InFlight) -> None:
        self._in_flight = in_flight
        self._bytes = 0
        self._documents = 0

    def take_bytes(self, count: int) -> None:
        """Raises HTTPException 429 where there is no room for so many more."""
        total = self._in_flight
        if total.bytes + count > total.max_bytes:
            raise _too_busy()
        total.bytes += count
        self._bytes += count

    def take_documents(self, count: int) -> None:
        """Raises HTTPException 429 where there is no room for so many more."""
        total = self._in_flight
        if total.documents + count > total.max_documents:
            raise _too_busy()
        total.documents += count
        self._documents += count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._in_flight.bytes -= self._bytes
        self._in_flight.documents -= self._documents


def _too_busy() -> HTTPException:
    return HTTPException(
        429,
        "The gateway has as much in hand as it may: send this again in a moment.",
        {"Retry-After": str(_RETRY_SECONDS)},
    )
