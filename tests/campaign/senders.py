"""The ways in, each kept going through every fault until all of it has arrived."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from tests.campaign.feed_site import Growing

_RETRIES_PAUSE_SECONDS = 1.0


async def post(url: str, documents: Sequence[bytes], per_second: float) -> None:
    """Post documents one after the other; what was not answered with 202 is posted again."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    headers = {"Content-Type": "application/json"}
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
        for number, document in enumerate(documents):
            await asyncio.sleep(began + number / per_second - loop.time())
            while not await _accepted(session, url, document):
                await asyncio.sleep(_RETRIES_PAUSE_SECONDS)


async def _accepted(session: aiohttp.ClientSession, url: str, document: bytes) -> bool:
    try:
        async with session.post(url, data=document) as response:
            assert response.status in (202, 429, 503), await response.text()
            return response.status == 202
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


async def replay(file: Path, environment: dict[str, str], log: Path, *options: str, kills: int, seed: int) -> None:
    """`finsentry replay FILE`, killed now and then, and started again until it has come to its end."""
    rng = random.Random(seed)
    while True:
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "stream_worker.cli", "replay", str(file), *options),
                env=os.environ | environment,
                stdout=output,
                stderr=output,
            )
        try:
            async with asyncio.timeout(rng.uniform(20, 60) if kills else None):
                code = await process.wait()
        except TimeoutError:
            process.send_signal(signal.SIGKILL)
            await process.wait()
            kills -= 1
            continue
        if code == 0:
            return
        await asyncio.sleep(_RETRIES_PAUSE_SECONDS)


async def until_shown(feeds: Sequence[Growing]) -> None:
    """Every feed has shown all of its entries at one visit, and was visited once more."""
    while any(feed.shown < len(feed.entries) for feed in feeds):
        await asyncio.sleep(1)
