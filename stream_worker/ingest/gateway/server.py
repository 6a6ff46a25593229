"""`finsentry gateway`: the object graph, the socket, and the end of it all."""

import asyncio
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
import uvicorn

from stream_worker.errors import ConfigurationError
from stream_worker.ingest.gateway.access import Access, require_loopback_or_keys
from stream_worker.ingest.gateway.answers import Answers
from stream_worker.ingest.gateway.app import gateway_app
from stream_worker.ingest.gateway.in_flight import InFlight
from stream_worker.ingest.gateway.intake import Intake, Limits
from stream_worker.ingest.gateway.keys import read_keys
from stream_worker.ingest.gateway.outlet import Outlet
from stream_worker.ingest.gateway.protocol import BoundedProtocol, ConnectionLimits
from stream_worker.metrics import GATEWAY, GATEWAY_BYTES_IN_FLIGHT
from stream_worker.progress import Progress
from stream_worker.settings import Settings
from stream_worker.vitals import Vitals

#: Requests in flight may take so long when the gateway is told to stop; with closing, it ends within 30 s.
_DRAIN_SECONDS = 25
#: Longer than the load balancers in front of it keep their connections, so that it is they who close them.
_KEEP_ALIVE_SECONDS = 75
#: A body that is late is answered; only a connection that does not take the answer is cut.
_BEYOND_BODY_SECONDS = 5.0

#: Kafka is asked every second, or waited for with at most 5 s between tries.
_STUCK_SECONDS = 60.0

_log = structlog.get_logger(__name__)


async def run_gateway(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests in flight.

    Raises ConfigurationError where it may not listen or cannot: no keys for another address than loopback, a port that
    is taken, limits that contradict each other, no topic.
    """
    keys = read_keys(settings.gateway_keys) if settings.gateway_keys else ()
    require_loopback_or_keys(settings.listen_address, keys)
    _require_room_for_a_body(settings)
    progress = Progress()
    outlet = Outlet(settings, progress)
    in_flight = InFlight(settings.gateway_bytes_in_flight, settings.gateway_documents_in_flight)
    intake = Intake(
        Access(keys),
        Limits(settings.gateway_body_bytes, settings.gateway_body_seconds, settings.gateway_body_documents),
        in_flight,
        outlet,
        Answers(settings.gateway_idempotency_keys),
        now=partial(datetime.now, UTC),
    )
    vitals = Vitals(GATEWAY, progress, _STUCK_SECONDS)
    vitals.ready_when({"kafka": outlet.check})
    GATEWAY_BYTES_IN_FLIGHT.set_function(lambda: in_flight.bytes)
    # Its clients repeat themselves every second while Kafka is away; the outlet says when it goes and comes.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with _listening_socket(settings) as listening:
        server = _Server(_uvicorn_config(settings, gateway_app(intake, vitals)))
        _log.info("listening", address=settings.listen_address, port=settings.gateway_port, keys=len(keys))
        await _serve(server, listening, outlet)


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn would end the process by the signal, as if that were a failure."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        def stop() -> None:
            self.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        yield


async def _serve(server: uvicorn.Server, listening: socket.socket, outlet: Outlet) -> None:
    """Serve while the outlet works. Raises what ended it."""

    def stop(_: "asyncio.Task[None]") -> None:
        server.should_exit = True

    connection = asyncio.ensure_future(outlet.run())
    connection.add_done_callback(stop)
    try:
        await server.serve(sockets=[listening])
    finally:
        connection.cancel()
        with suppress(asyncio.CancelledError):
            await connection


def _uvicorn_config(settings: Settings, app: Any) -> uvicorn.Config:
    limits = ConnectionLimits(settings.gateway_connections, settings.gateway_body_seconds + _BEYOND_BODY_SECONDS)
    protocol: Any = partial(BoundedProtocol, limits=limits)
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )


def _listening_socket(settings: Settings) -> socket.socket:
    address = (settings.listen_address, settings.gateway_port)
    family = socket.AF_INET6 if ":" in settings.listen_address else socket.AF_INET
    try:
        return socket.create_server(address, family=family, backlog=1024)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on {settings.listen_address} port {settings.gateway_port}: {error.strerror}. Set "
            "FINSENTRY_LISTEN_ADDRESS to an address of this machine and FINSENTRY_GATEWAY_PORT to a free port."
        ) from None


def _require_room_for_a_body(settings: Settings) -> None:
    if settings.gateway_bytes_in_flight < 2 * settings.gateway_body_bytes:
        raise ConfigurationError(
            "FINSENTRY_GATEWAY_BYTES_IN_FLIGHT must be at least twice FINSENTRY_GATEWAY_BODY_BYTES, the room that one "
            "compressed body may need."
        )
    if settings.gateway_documents_in_flight < settings.gateway_body_documents:
        raise ConfigurationError(
            "FINSENTRY_GATEWAY_DOCUMENTS_IN_FLIGHT must be at least FINSENTRY_GATEWAY_BODY_DOCUMENTS."
        )
