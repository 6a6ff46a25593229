"""The monitor: marks → windows → live state. Two steps a tick, each safe to repeat.

First, one transaction turns marks into windows and notes which instruments are to be published. Then what is noted is
read from Postgres and put into Redis, and the notes are deleted: a crash in between repeats the second step.
"""

import asyncio
import math
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from stream_worker import metrics
from stream_worker.progress import Progress
from stream_worker.retry import until_available
from stream_worker.settings import Settings
from stream_worker.storage import live, publications, publishable, windows
from stream_worker.storage.clock import NOW, time_to_live
from stream_worker.storage.engine import ask, create_engine
from stream_worker.storage.migrate import require_current
from stream_worker.storage.pending import pending
from stream_worker.vitals import Vitals
from stream_worker.vitals_server import serving_vitals

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

    def __init__(self, engine: AsyncEngine, redis: Redis, settings: Settings, progress: Progress | None = None) -> None:
        self._engine = engine
        self._redis = redis
        self._settings = settings
        self._progress = progress or Progress()
        self._span = timedelta(hours=settings.board_hours)
        self._refreshed_at = float("-inf")

    async def run(self) -> None:
        """Tick for ever; a server that is away is waited for."""
        while True:
            began = time.perf_counter()
            marks = await until_available(self.recompute, "recomputing windows", self._progress)
            published = await self._publish_if_redis_answers()
            self._progress.moved()
            if marks or published:
                metrics.TICK_SECONDS.observe(time.perf_counter() - began)
            if marks < MARKS_PER_TICK and not published:
                await asyncio.sleep(self._settings.monitor_interval_seconds)

    async def _publish_if_redis_answers(self) -> int:
        """Windows go on while Redis is away: publications keep what is owed to it."""
        try:
            return await until_available(self.publish, "publishing live state", self._progress)
        except RedisError as error:
            metrics.RETRIES.labels("redis").inc()
            _log.warning("Redis is away", error=str(error)[:300])
            await asyncio.sleep(REDIS_PAUSE_SECONDS)
            return 0

    async def recompute(self) -> int:
        """One transaction: marks into windows. Returns how many marks were taken."""
        began = time.perf_counter()
        async with self._engine.begin() as connection:
            tick = await windows.recompute_marked(connection, datetime.now(UTC), MARKS_PER_TICK)
        if tick.marks:
            metrics.RECOMPUTE_SECONDS.observe(time.perf_counter() - began)
            metrics.MARKS.inc(tick.marks)
            metrics.WINDOWS.inc(tick.windows)
            _log.info("recomputed", marks=tick.marks, windows=tick.windows)
        return tick.marks

    async def publish(self) -> int:
        """Put what is due into Redis. Returns how many instruments were published."""
        emptied = await live.is_emptied(self._redis)
        token = await live.begin_filling(self._redis) if emptied else ""
        now = time.monotonic()
        if emptied or now - self._refreshed_at > REFRESH_SECONDS:
            async with self._engine.begin() as connection:
                since = await _now(connection, self._settings) - self._span - FADING
                await publications.to_publish_everything(connection, since)
            self._refreshed_at = now
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
        with metrics.REDIS_PUT_SECONDS.time():
            await live.put(self._redis, states, time_to_live(self._settings.clock, self._span))
        async with self._engine.begin() as connection:
            await publications.taken(connection, due)
        metrics.PUBLICATIONS.inc(len(due))
        self._progress.moved()
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
    progress = Progress()
    vitals = Vitals(metrics.MONITOR, progress, settings.stuck_seconds)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving_vitals(vitals, settings, "monitor_http_port"))
        engine = create_engine(settings.require_database_url(), pool_size=3)
        stack.push_async_callback(engine.dispose)
        redis = await stack.enter_async_context(live.connect(settings.require_redis_url()))
        vitals.gauges_are_read_by(partial(_read_gauges, engine))
        await until_available(partial(require_current, engine), "checking the schema", progress)
        vitals.ready_when({"postgres": partial(ask, engine), "redis": partial(live.ask, redis)})
        await Monitor(engine, redis, settings, progress).run()


async def _read_gauges(engine: AsyncEngine) -> None:
    # Where Postgres does not answer nothing is known: what was owed before would look as if all were well.
    for gauge in (metrics.PENDING_MARKS, metrics.OLDEST_MARK_SECONDS, metrics.PENDING_PUBLICATIONS):
        gauge.set(math.nan)
    async with engine.connect() as connection:
        owed = await pending(connection)
    metrics.PENDING_MARKS.set(owed.marks)
    metrics.OLDEST_MARK_SECONDS.set(owed.oldest_mark_seconds)
    metrics.PENDING_PUBLICATIONS.set(owed.publications)
