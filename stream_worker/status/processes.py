"""Which of our processes run, and what they say of themselves."""

import asyncio
import time
from collections.abc import Mapping

import aiohttp
import orjson

from stream_worker.local.services import HTTP_PORTS, service_url
from stream_worker.local.state import Condition, ProcessRecord, StackState
from stream_worker.settings import Settings
from stream_worker.status.findings import Health, Process

#: A service takes up to `vitals.CHECK_SECONDS` to find out that it is not ready.
_ANSWER_SECONDS = 6.0


async def processes(settings: Settings, state: StackState | None) -> Mapping[str, Process]:
    """Those of the embedded stack; without one, the services that answer on this machine's ports."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS)) as session:
        if state is not None:
            records = state.processes
            found = await asyncio.gather(*(_recorded(session, name, record) for name, record in records.items()))
            return dict(zip(records, found, strict=True))
        urls = {name: service_url(name, settings) for name in HTTP_PORTS}
        asked = {name: url for name, url in urls.items() if url is not None}
        healths = await asyncio.gather(*(_health(session, url) for url in asked.values()))
        return {name: Process("", health=health) for name, health in zip(asked, healths, strict=True) if health.answers}


async def _recorded(session: aiohttp.ClientSession, name: str, record: ProcessRecord) -> Process:
    process = record.identity.process() if record.identity else None
    if process is None:
        condition = "gone" if record.condition is Condition.RUNNING else record.condition.value
        return Process(condition, restarts=record.restarts, log=record.log)
    tells = record.url is not None and name in HTTP_PORTS
    return Process(
        condition=record.condition.value,
        pid=process.pid,
        uptime_seconds=round(time.time() - process.create_time(), 1),
        restarts=record.restarts,
        log=record.log,
        health=await _health(session, record.url) if tells and record.url is not None else None,
    )


async def _health(session: aiohttp.ClientSession, url: str) -> Health:
    try:
        async with session.get(f"{url}/livez") as live:
            await live.read()
        async with session.get(f"{url}/readyz") as ready:
            checks = orjson.loads(await ready.read())["checks"]
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError):
        return Health(answers=False)
    failing = {name: check["detail"] for name, check in checks.items() if not check["ok"]}
    return Health(answers=True, alive=live.status == 200, ready=ready.status == 200, failing=failing)
