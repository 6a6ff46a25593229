"""The monitor: marks → windows → live state. Two steps a tick, each safe to repeat.

First, one transaction turns marks into windows and notes which instruments are to be published. Then what is noted is
read from Postgres and put into Redis, and the notes are deleted: a crash in between repeats the second step.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from stream_worker.retry import until_available
from stream_worker.settings import Settings
from stream_worker.storage import live, publications, publishable, windows
from stream_worker.storage.clock import NOW, time_to_live
from stream_worker.storage.engine import create_engine
from stream_worker.storage.migrate import require_current

MARKS_PER_TICK = 2_000
PUBLICATIONS_PER_TICK = 500
#: What has fallen out of the boards' span is published for so long with nothing in it, then no more.
FADING = timedelta(hours=1)
#: What is live grows old even when nothing comes: boards look back a span of time.
REFRESH_SECONDS = 30.0
REDIS_PAUSE_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class Monitor:
    """Recomputes and publishes until cancelled. Any number of monitors may run beside each other."""

    def __init__(self, engine: AsyncEngine, redis: Redis, settings: Settings) -> None:
        self._engine = engine
        self._redis = redis
        self._settings = settings
        self._span = timedelta(hours=settings.board_hours)
        self._refreshed_at = float("-inf")

    async def run(self) -> None:
        """Tick for ever; a server that is away is waited for."""
        while True:
            marks = await until_available(self.recompute, "recomputing windows")
            published = await self._publish_if_redis_answers()
            if marks < MARKS_PER_TICK and not published:
                await asyncio.sleep(self._settings.monitor_interval_seconds)

    async def _publish_if_redis_answers(self) -> int:
        """Windows go on while Redis is away: publications keep what is owed to it."""
        try:
            return await until_available(self.publish, "publishing live state")
        except RedisError as error:
            _log.warning("Redis is away", error=str(error)[:300])
            await asyncio.sleep(REDIS_PAUSE_SECONDS)
            return 0

    async def recompute(self) -> int:
        """One transaction: marks into windows. Returns how many marks were taken."""
        async with self._engine.begin() as connection:
            tick = await windows.recompute_marked(connection, datetime.now(UTC), MARKS_PER_TICK)
        if tick.marks:
            _log.info("recomputed", marks=tick.marks, windows=tick.windows)
        return tick.marks

    async def publish(self) -> int:
        """Put what is due into Redis. Returns how many instruments were published."""
        emptied = await live.is_emptied(self._redis)
        token = await live.begin_filling(self._redis) if emptied else ""
        time = asyncio.get_running_loop().time()
        if emptied or time - self._refreshed_at > REFRESH_SECONDS:
            async with self._engine.begin() as connection:
                since = await _now(connection, self._settings) - self._span - FADING
                await publications.to_publish_everything(connection, since)
            self._refreshed_at = time
        published = await self._publish_due()
        if emptied:
            while await self._publish_due():
                pass
            await live.mark_filled(self._redis, token)
        return published

    async def _publish_due(self) -> int:
        async with self._engine.connect() as connection:
            due = await publications.due(connection, PUBLICATIONS_PER_TICK)
            if not due:
                return 0
            # Taken before anything is read: what is put under it is at least as new as the version says.
            version = await publications.next_version(connection)
            await connection.commit()
            states = await self._states(connection, list(due), version)
        await live.put(self._redis, states, time_to_live(self._settings.clock, self._span))
        async with self._engine.begin() as connection:
            await publications.taken(connection, due)
        return len(due)

    async def _states(
        self, connection: AsyncConnection, instruments: list[str], version: int
    ) -> list[tuple[str, int, publishable.State]]:
        settings = self._settings
        now = await _now(connection, settings)
        states = await publishable.live_states(connection, instruments, now, settings.board_hours)
        boards = await publishable.boards(connection, now, settings.board_hours)
        feed = await publishable.feed(connection, now, settings.feed_documents)
        return [
            *((live.live_key(state["instrument_id"]), version, state) for state in states),
            *((live.board_key(name), version, board) for name, board in boards.items()),
            (live.FEED, version, feed),
        ]


async def _now(connection: AsyncConnection, settings: Settings) -> datetime:
    now: datetime = (await connection.execute(NOW[settings.clock])).scalar_one()
    return now


async def run_monitor(settings: Settings) -> None:
    """Monitor until cancelled. Raises ConfigurationError where the database is not what this program needs."""
    engine = create_engine(settings.require_database_url(), pool_size=2)
    redis: Redis = Redis.from_url(settings.require_redis_url(), socket_timeout=5, socket_connect_timeout=5)
    try:
        await until_available(partial(require_current, engine), "checking the schema")
        await Monitor(engine, redis, settings).run()
    finally:
        await redis.aclose()
        await engine.dispose()
