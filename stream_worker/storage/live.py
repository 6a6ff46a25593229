"""Redis: the live view. Holds only absolute values read from Postgres; emptied at any time, it is filled again."""

import uuid
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from stream_worker.storage.publishable import State

PREFIX = "finsentry:"
#: Its absence says that Redis was emptied.
GENERATION = f"{PREFIX}generation"
FILLING = f"{PREFIX}filling"
FEED = f"{PREFIX}feed"
#: A Redis that says nothing for so long is away.
ANSWER_SECONDS = 5.0

#: Each key is a hash {version, state}. A writer that read earlier cannot overwrite one that read later.
_PUT_IF_NEWER = """
local known = redis.call('HGET', KEYS[1], 'version')
if known and tonumber(known) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'state', ARGV[2])
if ARGV[3] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return 1
"""

_MARK_IF_KEPT = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[1])
return 1
"""


def connect(url: str) -> Redis:
    """A client that fails soon: one more try on a new connection; to wait longer is its user's affair."""
    return Redis.from_url(
        url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS, retry=Retry(NoBackoff(), 1)
    )


def live_key(instrument_id: str) -> str:
    """Where an instrument's live state is; '' is the market."""
    return f"{PREFIX}live:{instrument_id}"


def board_key(name: str) -> str:
    """Where a leader board is: `mentioned` or `negative`."""
    return f"{PREFIX}board:{name}"


async def ask(client: Redis) -> str:
    """A question as small as they come, for health checks. Raises RedisError where there is no answer."""
    await client.ping()
    return "answers"


async def put(client: Redis, states: Iterable[tuple[str, int, State]], time_to_live: timedelta | None) -> None:
    """Write (key, version, state) triples, in one round trip; older versions than what is there change nothing."""
    seconds = "" if time_to_live is None else str(int(time_to_live.total_seconds()))
    async with client.pipeline(transaction=False) as pipe:
        for key, version, state in states:
            pipe.eval(_PUT_IF_NEWER, 1, key, str(version), orjson.dumps(state, default=_plain), seconds)
        await pipe.execute()


async def published_feed(client: Redis) -> State | None:
    """The live feed as it was put last; None where there is none."""
    state: Any = await client.hget(FEED, "state")
    return orjson.loads(state) if state is not None else None


async def is_emptied(client: Redis) -> bool:
    """Whether nothing was published since Redis began or was emptied."""
    return not await client.exists(GENERATION)


async def begin_filling(client: Redis) -> str:
    """Leave a token that goes when Redis is emptied once more before `mark_filled`."""
    token = uuid.uuid4().hex
    await client.set(FILLING, token)
    return token


async def mark_filled(client: Redis, token: str) -> None:
    """Everything has been put; changes nothing where Redis was emptied since the token was left."""
    await client.eval(_MARK_IF_KEPT, 2, FILLING, GENERATION, token)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"cannot publish a {type(value).__name__}")
