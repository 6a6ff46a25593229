"""`python -m bench.http_load`: posts documents over keep-alive connections, and prints what it saw as JSON.

A process of its own, so that the server's core is the server's. At a rate, a request's latency counts from when it was
due, not from when a connection was free for it; without one, every connection sends as soon as it was answered.
"""

import asyncio
import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import click
import orjson
import uvloop

from bench.corpus import long_stream

_HEAD = b"POST /v1/documents HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n"
_TYPES = {"json": b"application/json", "ndjson": b"application/x-ndjson"}


@dataclass(frozen=True, slots=True)
class Load:
    """Latencies in seconds. `unaccepted` are requests that were not answered with 202."""

    requests: int
    unaccepted: int
    seconds: float
    p50: float
    p99: float
    longest: float


@click.command()
@click.argument("port", type=int)
@click.option("--data", type=click.Path(path_type=Path), help="Real titles; else generated.")
@click.option("--documents", default=1, help="In a request.")
@click.option("--form", type=click.Choice(sorted(_TYPES)), default="json")
@click.option("--requests", "count", default=1_000)
@click.option("--rate", type=float, help="Requests a second.")
@click.option("--connections", default=64)
def main(
    port: int, data: Path | None, documents: int, form: str, count: int, rate: float | None, connections: int
) -> None:
    """Post COUNT requests to PORT of 127.0.0.1."""
    requests = list(requests_of(long_stream(data, count * documents), documents, form))
    click.echo(orjson.dumps(asdict(uvloop.run(load(port, requests, rate, connections)))))


def requests_of(lines: Iterable[bytes], documents: int, form: str) -> Iterator[bytes]:
    """The lines as requests of so many documents each; form: json or ndjson."""
    rest = iter(lines)
    while batch := list(islice(rest, documents)):
        body = b"\n".join(batch) if form == "ndjson" else batch[0] if documents == 1 else b"[%s]" % b",".join(batch)
        yield _HEAD % (_TYPES[form], len(body)) + body


async def load(port: int, requests: list[bytes], rate: float | None, connections: int) -> Load:
    """Send all of them, in order, over so many connections."""
    began = time.perf_counter()
    pending = iter([(None if rate is None else began + number / rate, it) for number, it in enumerate(requests)])
    answered: list[tuple[int, float]] = []
    await asyncio.gather(*(_connection(port, pending, answered) for _ in range(connections)))
    seconds = time.perf_counter() - began
    hundredths = statistics.quantiles([latency for _, latency in answered], n=100, method="inclusive")
    return Load(
        requests=len(answered),
        unaccepted=sum(status != 202 for status, _ in answered),
        seconds=seconds,
        p50=hundredths[49],
        p99=hundredths[98],
        longest=max(latency for _, latency in answered),
    )


async def _connection(
    port: int, pending: Iterator[tuple[float | None, bytes]], answered: list[tuple[int, float]]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for due, request in pending:
        if due is not None:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
        began = due or time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        answered.append((int(head[9:12]), time.perf_counter() - began))
    writer.close()
    await writer.wait_closed()


if __name__ == "__main__":
    main()
