"""A site whose Atom feeds grow with every visit."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from aiohttp import web

#: What XML cannot hold, in whatever way it is written.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
GROWTH = 200


@dataclass
class Growing:
    """One feed: shows `GROWTH` entries more at each visit, until all are there."""

    entries: Sequence[dict[str, Any]]
    shown: int = 0

    def visit(self) -> str:
        """The feed's document now."""
        self.shown = min(self.shown + GROWTH, len(self.entries))
        body = "".join(map(_entry, reversed(self.entries[: self.shown])))
        return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>tweets</title><id>urn:tweets</id>{body}</feed>'


def _entry(row: dict[str, Any]) -> str:
    text = escape(_NOT_XML.sub(" ", row["text"]))
    time = row["published_at"]
    return (
        f'<entry><id>{row["id"]}</id><title type="text">{text}</title>'
        f"<published>{time}</published><updated>{time}</updated></entry>"
    )


@asynccontextmanager
async def feed_site(entries: Sequence[dict[str, Any]], feeds: int) -> AsyncIterator[tuple[list[str], list[Growing]]]:
    """The addresses of so many feeds on loopback that share the entries, and what they have shown."""
    growing = [Growing(entries[number::feeds]) for number in range(feeds)]

    async def answer(request: web.Request) -> web.Response:
        feed = growing[int(request.match_info["number"])]
        return web.Response(text=feed.visit(), content_type="application/atom+xml")

    application = web.Application()
    application.router.add_get("/{number}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield [f"http://127.0.0.1:{port}/{number}" for number in range(feeds)], growing
    finally:
        await runner.cleanup()
