"""A URL → the bytes behind it: a few redirects, bounded size and time, no private address, no word of credentials."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import BasicAuth, ClientResponse, ClientTimeout, hdrs
from aiohttp.http_exceptions import ContentEncodingError
from yarl import URL

from stream_worker.errors import FeedProblem
from stream_worker.ingest.feeds.addresses import SCHEMES, AddressGuard, RefusedAddress
from stream_worker.ingest.feeds.hosts import HostTurns
from stream_worker.ingest.feeds.problems import Reason

MAX_REDIRECTS = 5
_CONNECT_SECONDS = 10.0
_CHUNK_BYTES = 64 * 1024
#: A validator longer than this is nothing to carry around.
_LONGEST_VALIDATOR = 1_000
_LONGEST_RETRY_AFTER_SECONDS = 24 * 3600.0

_REDIRECTS = {301, 302, 303, 307, 308}
_PERMANENT_REDIRECTS = {301, 308}
_ACCEPT = "application/atom+xml, application/rss+xml, application/rdf+xml, application/xml;q=0.9, */*;q=0.1"


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one request: seconds from asking to the last byte, bytes after decompression, seconds without any byte."""

    total_seconds: float
    max_bytes: int
    silent_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server gave to recognise a version of a document by (RFC 9110, 8.8)."""

    etag: str | None = None
    last_modified: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The conditions of a request for anything newer."""
        conditions = {hdrs.IF_NONE_MATCH: self.etag, hdrs.IF_MODIFIED_SINCE: self.last_modified}
        return {name: value for name, value in conditions.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer. `body` is None where nothing has changed (304); `url` is where it came from, without credentials;
    `moved_to` where every redirect on the way was a permanent one."""

    body: bytes | None
    charset: str | None
    url: str
    validators: Validators
    moved_to: str | None


class Fetcher:
    """Fetches with one client for all feeds. An asynchronous context manager."""

    def __init__(self, guard: AddressGuard, turns: HostTurns, limits: Limits, user_agent: str) -> None:
        self._turns = turns
        self._limits = limits
        self._guard = guard
        self._user_agent = user_agent

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            # A connection is not kept for a feed's next time: that is minutes away.
            connector=aiohttp.TCPConnector(socket_factory=self._guard.socket, force_close=True, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={hdrs.USER_AGENT: self._user_agent, hdrs.ACCEPT: _ACCEPT, hdrs.ACCEPT_ENCODING: "gzip, deflate"},
            timeout=ClientTimeout(
                total=self._limits.total_seconds,
                sock_connect=_CONNECT_SECONDS,
                sock_read=self._limits.silent_seconds,
            ),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    async def fetch(self, address: URL, known: Validators) -> Fetched:
        """What stands at the address, unless it is what is known. Credentials go to the address's own origin only.

        Raises FeedProblem. Neither its words nor what is returned contain credentials or queries.
        """
        auth = BasicAuth(address.user or "", address.password or "") if address.user or address.password else None
        first = url = address.with_user(None).with_fragment(None)
        permanently = True
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._ask(url, known, auth if url.origin() == first.origin() else None)
            if isinstance(answer, _Redirect):
                url, permanently = answer.url, permanently and answer.permanently
                continue
            moved_to = shown(url) if permanently and url != first else None
            return Fetched(answer.body, answer.charset, shown(url), answer.validators, moved_to)
        raise FeedProblem(Reason.TOO_MANY_REDIRECTS, f"more than {MAX_REDIRECTS} redirects, the last to {shown(url)}")

    async def _ask(self, url: URL, known: Validators, auth: BasicAuth | None) -> "_Answer | _Redirect":
        """One request, in the host's turn. Its time does not count the wait for that."""
        try:
            async with (
                self._turns.turn(url.host or ""),
                self._session.get(url, headers=known.headers, auth=auth, allow_redirects=False) as response,
            ):
                if response.status in _REDIRECTS:
                    return _redirect(url, response)
                if response.status == HTTPStatus.NOT_MODIFIED and known.headers:
                    return _Answer(None, None, known)
                if response.status != HTTPStatus.OK:
                    raise _refusal(response)
                return _Answer(await self._body(response), response.charset, _validators(response))
        except TimeoutError:
            silent, total = self._limits.silent_seconds, self._limits.total_seconds
            detail = f"{shown(url)} was silent for {silent:g} s, or took more than {total:g} s"
            raise FeedProblem(Reason.TIMEOUT, detail) from None
        except (aiohttp.InvalidURL, UnicodeError):
            raise FeedProblem(Reason.REFUSED_URL, f"{shown(url)} is no address that can be asked") from None
        except aiohttp.ClientError as error:
            raise _failure(url, error) from None

    async def _body(self, response: ClientResponse) -> bytes:
        """The content, decompressed piece by piece."""
        body = bytearray()
        async for piece in response.content.iter_chunked(_CHUNK_BYTES):
            body += piece
            if len(body) > self._limits.max_bytes:
                raise FeedProblem(Reason.TOO_LARGE, f"more than {self._limits.max_bytes} bytes")
        return bytes(body)


def shown(url: URL) -> str:
    """A URL for logs: without user, password, query and fragment, any of which may be a secret."""
    bare = url.with_user(None).with_query(None).with_fragment(None)
    return f"{bare}?…" if url.query_string else str(bare)


@dataclass(frozen=True, slots=True)
class _Answer:
    body: bytes | None
    charset: str | None
    validators: Validators


@dataclass(frozen=True, slots=True)
class _Redirect:
    url: URL
    permanently: bool


def _redirect(url: URL, response: ClientResponse) -> _Redirect:
    try:
        target = url.join(URL(response.headers[hdrs.LOCATION])).with_user(None).with_fragment(None)
    except (KeyError, ValueError):
        raise FeedProblem(Reason.REFUSED_URL, f"{shown(url)} redirects to nothing that is a URL") from None
    if target.scheme not in SCHEMES or not target.host:
        raise FeedProblem(Reason.REFUSED_URL, f"{shown(url)} redirects to {target.scheme or 'no'} instead of http(s)")
    if url.scheme == "https" and target.scheme == "http":
        raise FeedProblem(Reason.REFUSED_URL, f"{shown(url)} redirects from https to http")
    return _Redirect(target, response.status in _PERMANENT_REDIRECTS)


def _refusal(response: ClientResponse) -> FeedProblem:
    reason = Reason.GONE if response.status == HTTPStatus.GONE else Reason.HTTP_STATUS
    detail = f"{shown(response.url)} answers with status {response.status}"
    return FeedProblem(reason, detail, _retry_after_seconds(response.headers))


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Retry-After (RFC 9110, 10.2.3) in its two forms, at most a day; None where there is none that can be read."""
    value = headers.get(hdrs.RETRY_AFTER, "")
    if value.isdecimal():
        seconds = float(value)
    else:
        try:
            seconds = (parsedate_to_datetime(value).astimezone(UTC) - datetime.now(UTC)).total_seconds()
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_SECONDS)


def _validators(response: ClientResponse) -> Validators:
    return Validators(*(_carried(response.headers.get(name, "")) for name in (hdrs.ETAG, hdrs.LAST_MODIFIED)))


def _carried(validator: str) -> str | None:
    """A validator that can be stored and sent back as it is."""
    usable = validator and validator.isascii() and validator.isprintable() and len(validator) <= _LONGEST_VALIDATOR
    return validator if usable else None


def _failure(url: URL, error: aiohttp.ClientError) -> FeedProblem:
    """In our own words: aiohttp's may repeat a URL with all that is in it."""
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, RefusedAddress):
            return FeedProblem(Reason.REFUSED_ADDRESS, f"{url.host}: {error.os_error.strerror}")
        return FeedProblem(Reason.UNREACHABLE, f"{url.host}: {error.os_error.strerror or error.os_error}")
    cause = error.__cause__
    if isinstance(cause, ContentEncodingError):
        return FeedProblem(Reason.BAD_ENCODING, f"{shown(url)} sends what its Content-Encoding does not say")
    return FeedProblem(Reason.UNREACHABLE, f"{shown(url)} breaks off or does not speak HTTP ({type(error).__name__})")
