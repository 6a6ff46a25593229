"""`/livez`, `/readyz` and `/metrics` of a service over HTTP, for orchestrators, Prometheus and people."""

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from stream_worker.errors import ConfigurationError
from stream_worker.settings import Settings
from stream_worker.vitals import Answer, Vitals

_CLOSE_SECONDS = 1.0


@asynccontextmanager
async def serving_vitals(vitals: Vitals, settings: Settings, port_field: str) -> AsyncIterator[None]:
    """Serve them on `listen_address` and the port in that field of the settings; 0 serves nothing.

    Raises ConfigurationError where the port is taken: several services on one machine need a port each.
    """
    port: int = getattr(settings, port_field)
    if not port:
        yield
        return
    runner = web.AppRunner(_application(vitals), access_log=None, shutdown_timeout=_CLOSE_SECONDS)
    await runner.setup()
    try:
        await _listen(runner, settings.listen_address, port, port_field)
        yield
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, address: str, port: int, port_field: str) -> None:
    try:
        await web.TCPSite(runner, address, port).start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"Port {port} of {address} for health and metrics is taken: set FINSENTRY_{port_field.upper()} to a "
                "free port, one for each process on this machine, or to 0 for none."
            ) from None
        raise ConfigurationError(
            f"Cannot listen on port {port} of {address} for health and metrics ({error.strerror}): set "
            f"FINSENTRY_LISTEN_ADDRESS to an address of this machine, or FINSENTRY_{port_field.upper()} to 0 for none."
        ) from None


def _application(vitals: Vitals) -> web.Application:
    async def live(request: web.Request) -> web.Response:
        return _response(await vitals.live())

    async def ready(request: web.Request) -> web.Response:
        return _response(await vitals.ready())

    async def metrics(request: web.Request) -> web.Response:
        body, content_type = await vitals.metrics(request.headers.get("Accept"))
        return web.Response(body=body, headers={"Content-Type": content_type})

    application = web.Application()
    application.add_routes(
        [web.get("/livez", live), web.get("/readyz", ready), web.get("/metrics", metrics)],
    )
    return application


def _response(answer: Answer) -> web.Response:
    return web.Response(body=answer.body, status=answer.status, content_type="application/json")
