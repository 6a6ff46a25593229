"""A web server on loopback that serves feeds, well or badly, and remembers what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from xml.sax.saxutils import escape

from aiohttp import web
from multidict import CIMultiDictProxy

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NOW = datetime.now(UTC).replace(microsecond=0)
RSS = "application/rss+xml"
HOSTS = [f"127.0.0.{number}" for number in range(1, 9)]


def item(number: int, title: str = "Apple raises its outlook", **tags: str) -> str:
    """One RSS item, `number` minutes old; an empty tag leaves it out."""
    parts = {
        "title": f"{title} {number}" if title else "",
        "link": f"https://example.org/{number}",
        "guid": f"urn:{number}",
        "pubDate": format_datetime(NOW - timedelta(minutes=number)),
        "description": f"<p>Story {number}</p>",
    } | tags
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in parts.items() if value)
    return f"<item>{inner}</item>"


def rss(*items: str) -> bytes:
    """An RSS 2.0 document."""
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>t</title>{"".join(items)}</channel></rss>'.encode()


@dataclass
class FeedServer:
    """`requests` are the headers of each request, by path; `at` names the same server by another loopback address."""

    port: int
    requests: dict[str, list[CIMultiDictProxy[str]]] = field(default_factory=dict)
    most_at_once: int = 0
    _handlers: dict[str, Handler] = field(default_factory=dict)
    _at_once: int = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def asked(self, path: str) -> int:
        """How often."""
        return len(self.requests.get(path, []))

    def serve(self, path: str, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Answer with this, until told otherwise. `ETag` and `Last-Modified` are honoured as servers do."""
        named = {"Content-Type": RSS, **(headers or {})}

        async def answer(request: web.Request) -> web.StreamResponse:
            if "ETag" in named and request.headers.get("If-None-Match") == named["ETag"]:
                return web.Response(status=304)
            if "Last-Modified" in named and request.headers.get("If-Modified-Since") == named["Last-Modified"]:
                return web.Response(status=304)
            return web.Response(status=status, body=body, headers=named)

        self._handlers[path] = answer

    def handle(self, path: str, handler: Handler) -> None:
        """Answer in the handler's way."""
        self._handlers[path] = handler

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.setdefault(request.path, []).append(request.headers)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            handler = self._handlers.get(request.path)
            return await handler(request) if handler else web.Response(status=404)
        finally:
            self._at_once -= 1


@asynccontextmanager
async def feed_server() -> AsyncIterator[FeedServer]:
    """Listens on `HOSTS`, which are all this machine, so that a test can have several hosts."""
    application = web.Application()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    server = FeedServer(0)
    application.router.add_get("/{path:.*}", server._answer)
    await runner.setup()
    for host in HOSTS:
        await web.TCPSite(runner, host, server.port).start()
        server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


async def endless(request: web.Request) -> web.StreamResponse:
    """A body that never ends."""
    response = web.StreamResponse(headers={"Content-Type": RSS})
    await response.prepare(request)
    while True:
        await response.write(b"<item/>" * 10_000)


async def silent(request: web.Request) -> web.StreamResponse:
    """The beginning of a body, and then nothing."""
    response = web.StreamResponse(headers={"Content-Type": RSS})
    await response.prepare(request)
    await response.write(b"<rss version='2.0'>")
    await asyncio.sleep(60)
    return response


async def trickling(request: web.Request) -> web.StreamResponse:
    """A byte now and then: never silent, never done."""
    response = web.StreamResponse(headers={"Content-Type": RSS})
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.05)


async def reset(request: web.Request) -> web.StreamResponse:
    """Half of a body, and the connection is gone."""
    response = web.StreamResponse(headers={"Content-Type": RSS, "Content-Length": "100000"})
    await response.prepare(request)
    await response.write(rss(item(1))[:80])
    assert request.transport is not None
    request.transport.abort()
    return response
