"""Fetching from a web server that misbehaves."""

import asyncio
import gzip
import socket
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from yarl import URL

from stream_worker.errors import FeedProblem
from stream_worker.ingest.feeds.addresses import AddressGuard, opened_networks
from stream_worker.ingest.feeds.fetching import MAX_REDIRECTS, Fetched, Fetcher, Limits, Validators
from stream_worker.ingest.feeds.hosts import HostTurns
from stream_worker.ingest.feeds.problems import Reason
from tests.feed_server import FeedServer, Handler, endless, feed_server, item, reset, rss, silent, trickling

FEED = rss(item(1))
MAX_BYTES = 1_000_000


def fetching(opened: str = "127.0.0.0/8", seconds: float = 10.0, pause: float = 0.0) -> Fetcher:
    """A fetcher that may ask the test's server."""
    return Fetcher(AddressGuard(opened_networks(opened)), HostTurns(pause), Limits(seconds, MAX_BYTES), "test/1")


@pytest.fixture
async def server() -> AsyncIterator[FeedServer]:
    async with feed_server() as server:
        yield server


async def fetch(url: str, known: Validators | None = None, fetcher: Fetcher | None = None) -> Fetched:
    async with fetcher or fetching() as opened:
        return await opened.fetch(URL(url), known or Validators())


async def problem(url: str, fetcher: AbstractAsyncContextManager[Fetcher] | None = None) -> FeedProblem:
    async with fetcher or fetching() as opened:
        with pytest.raises(FeedProblem) as raised:
            await opened.fetch(URL(url), Validators())
    return raised.value


def redirect(to: Callable[[], str], status: int = 302) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": to()})

    return answer


async def test_a_feed_is_fetched_with_its_validators_and_as_the_agent_that_the_settings_name(
    server: FeedServer,
) -> None:
    server.serve("/a", FEED, headers={"ETag": '"v1"', "Last-Modified": "Tue, 24 Nov 2026 10:00:00 GMT"})
    fetched = await fetch(server.url("/a"))
    assert fetched.body == FEED
    assert fetched.validators == Validators('"v1"', "Tue, 24 Nov 2026 10:00:00 GMT")
    assert server.requests["/a"][0]["User-Agent"] == "test/1"


@pytest.mark.parametrize("known", [Validators('"v1"', None), Validators(None, "Tue, 24 Nov 2026 10:00:00 GMT")])
async def test_what_is_known_is_not_sent_again(server: FeedServer, known: Validators) -> None:
    server.serve("/a", FEED, headers={"ETag": '"v1"', "Last-Modified": "Tue, 24 Nov 2026 10:00:00 GMT"})
    fetched = await fetch(server.url("/a"), known)
    assert fetched.body is None
    assert fetched.validators == known


@pytest.mark.parametrize("etag", ['"' + "x" * 2_000 + '"', '"caf\u00e9"'])
async def test_validators_that_cannot_be_carried_around_are_forgotten(server: FeedServer, etag: str) -> None:
    server.serve("/a", FEED, headers={"ETag": etag})
    assert (await fetch(server.url("/a"))).validators == Validators()


@pytest.mark.parametrize("status", [400, 403, 404, 500, 502, 304])
async def test_a_status_that_is_no_success_is_a_problem(server: FeedServer, status: int) -> None:
    server.serve("/a", b"" if status == 304 else FEED, status)
    found = await problem(server.url("/a"))
    assert (found.reason, found.retry_after_seconds) == (Reason.HTTP_STATUS, None)
    assert str(status) in found.detail


async def test_gone_is_told_apart(server: FeedServer) -> None:
    server.serve("/a", b"", 410)
    assert (await problem(server.url("/a"))).reason == Reason.GONE


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("99999999999999999999", 86400.0),
        ("-5", None),
        ("soon", None),
    ],
)
async def test_retry_after_is_read_and_bounded(server: FeedServer, value: str, seconds: float | None) -> None:
    server.serve("/a", b"", 503, headers={"Retry-After": value})
    assert (await problem(server.url("/a"))).retry_after_seconds == seconds


async def test_retry_after_may_be_a_date(server: FeedServer) -> None:
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    server.serve("/a", b"", 503, headers={"Retry-After": format_datetime(in_an_hour, usegmt=True)})
    assert (await problem(server.url("/a"))).retry_after_seconds == pytest.approx(3600, abs=60)


async def test_an_endless_body_is_cut_off(server: FeedServer) -> None:
    server.handle("/a", endless)
    assert (await problem(server.url("/a"))).reason == Reason.TOO_LARGE


async def test_a_gzip_bomb_is_cut_off_before_it_fills_the_memory(server: FeedServer) -> None:
    bomb = gzip.compress(b"\0" * 500_000_000)
    server.serve("/a", bomb, headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    try:
        found = await problem(server.url("/a"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.reason == Reason.TOO_LARGE
    assert peak < 20_000_000


async def test_compressed_bodies_are_read(server: FeedServer) -> None:
    server.serve("/a", gzip.compress(FEED), headers={"Content-Encoding": "gzip"})
    assert (await fetch(server.url("/a"))).body == FEED


async def test_a_body_that_is_not_what_its_encoding_says_is_a_problem(server: FeedServer) -> None:
    server.serve("/a", FEED, headers={"Content-Encoding": "gzip"})
    assert (await problem(server.url("/a"))).reason == Reason.BAD_ENCODING


async def test_a_body_that_trickles_is_given_up_when_the_time_is_over(server: FeedServer) -> None:
    server.handle("/a", trickling)
    began = asyncio.get_running_loop().time()
    assert (await problem(server.url("/a"), fetching(seconds=0.5))).reason == Reason.TIMEOUT
    assert asyncio.get_running_loop().time() - began < 3


async def test_a_server_that_falls_silent_is_given_up_earlier(server: FeedServer) -> None:
    server.handle("/a", silent)
    limits = Limits(30.0, MAX_BYTES, silent_seconds=0.2)
    fetcher = Fetcher(AddressGuard(opened_networks("127.0.0.0/8")), HostTurns(0.0), limits, "test/1")
    began = asyncio.get_running_loop().time()
    assert (await problem(server.url("/a"), fetcher)).reason == Reason.TIMEOUT
    assert asyncio.get_running_loop().time() - began < 3


async def test_a_connection_that_is_reset_in_mid_body_is_a_problem(server: FeedServer) -> None:
    server.handle("/a", reset)
    assert (await problem(server.url("/a"))).reason == Reason.UNREACHABLE


async def test_a_port_where_nobody_listens_is_a_problem(server: FeedServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = await problem(f"http://127.0.0.1:{taken.getsockname()[1]}/a")
    assert found.reason == Reason.UNREACHABLE


async def test_what_is_no_http_is_a_problem() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n" * 3)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        assert (await problem(f"http://127.0.0.1:{port}/a?key=s3cr3t")).reason == Reason.UNREACHABLE


async def test_redirects_are_followed_and_permanent_ones_are_noted(server: FeedServer) -> None:
    server.handle("/old", redirect(lambda: "/new?key=s3cr3t", 301))
    server.handle("/moving", redirect(lambda: server.url("/old"), 302))
    server.serve("/new", FEED)
    assert (await fetch(server.url("/old"))).moved_to == server.url("/new?…")
    assert (await fetch(server.url("/moving"))).moved_to is None
    assert (await fetch(server.url("/moving"))).url == server.url("/new?…")
    assert (await fetch(server.url("/new"))).moved_to is None


async def test_a_redirect_loop_ends(server: FeedServer) -> None:
    server.handle("/a", redirect(lambda: server.url("/a")))
    assert (await problem(server.url("/a"))).reason == Reason.TOO_MANY_REDIRECTS
    assert server.asked("/a") == MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "ftp://example.org/",
        "data:text/xml,<rss/>",
        "//[",
        "http://a..b/",
        f"//{'a' * 70}.example/",
    ],
)
async def test_a_redirect_to_something_else_than_http_is_refused(server: FeedServer, target: str) -> None:
    server.handle("/a", redirect(lambda: target))
    assert (await problem(server.url("/a"))).reason == Reason.REFUSED_URL


@pytest.mark.parametrize(
    "host", ["127.0.0.2", "[::ffff:127.0.0.2]", "169.254.169.254", "[::1]", "0.0.0.0", "10.0.0.1", "[fd00:ec2::254]"]
)
async def test_a_redirect_to_a_private_address_is_refused(server: FeedServer, host: str) -> None:
    server.serve("/secret", FEED)
    server.handle("/a", redirect(lambda: server.url("/secret", host)))
    assert (await problem(server.url("/a"), fetching("127.0.0.1/32"))).reason == Reason.REFUSED_ADDRESS
    assert server.asked("/secret") == 0


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "[::1]"])
async def test_a_feed_on_this_machine_is_refused_unless_its_network_was_opened(server: FeedServer, host: str) -> None:
    server.serve("/a", FEED)
    assert (await problem(server.url("/a", host), fetching(""))).reason == Reason.REFUSED_ADDRESS
    assert server.asked("/a") == 0


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f.0.0.1", "017700000001"])
async def test_other_ways_to_write_loopback_do_not_help(server: FeedServer, host: str) -> None:
    server.serve("/a", FEED)
    found = await problem(server.url("/a", host), fetching(""))
    assert found.reason in (Reason.REFUSED_URL, Reason.REFUSED_ADDRESS)
    assert server.asked("/a") == 0


async def test_a_name_that_resolves_to_a_private_address_the_second_time_is_refused_then(
    server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["127.0.0.1", "127.0.0.2"])
    resolve = socket.getaddrinfo

    def rebound(host: str, *rest: object, **named: object) -> object:
        return resolve(next(answers) if host == "rebinding.test" else host, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    server.serve("/a", FEED)
    url = server.url("/a", "rebinding.test")
    assert (await fetch(url, fetcher=fetching("127.0.0.1/32"))).body == FEED
    assert (await problem(url, fetching("127.0.0.1/32"))).reason == Reason.REFUSED_ADDRESS
    assert server.asked("/a") == 1


async def test_credentials_go_to_their_own_host_and_into_no_words(server: FeedServer) -> None:
    server.handle("/a", redirect(lambda: server.url("/same")))
    server.handle("/same", redirect(lambda: server.url("/other", "127.0.0.2")))
    server.serve("/other", b"", 404)
    found = await problem(server.url("/a?key=s3cr3t").replace("http://", "http://reader:pa55@"))
    assert "Authorization" in server.requests["/a"][0]
    assert "Authorization" in server.requests["/same"][0]
    assert "Authorization" not in server.requests["/other"][0]
    assert not any(secret in str(found) for secret in ("s3cr3t", "reader", "pa55"))


async def test_a_host_is_asked_once_at_a_time_with_a_pause_and_others_do_not_wait(server: FeedServer) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.1)
        return web.Response(body=FEED)

    server.handle("/a", slow)
    time = asyncio.get_running_loop().time
    async with fetching(pause=0.2) as fetcher:
        began = time()
        await asyncio.gather(*(fetcher.fetch(URL(server.url("/a")), Validators()) for _ in range(3)))
        one_host = time() - began
        at_once = server.most_at_once
        began = time()
        hosts = [URL(server.url("/a", f"127.0.0.{number}")) for number in range(2, 8)]
        await asyncio.gather(*(fetcher.fetch(host, Validators()) for host in hosts))
        many_hosts = time() - began
    assert at_once == 1
    assert one_host >= 3 * 0.1 + 2 * 0.2
    assert server.most_at_once > 1
    assert many_hosts < one_host
