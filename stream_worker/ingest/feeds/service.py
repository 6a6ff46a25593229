"""`finsentry feeds`: polls each feed when it is due, for as long as it runs.

Any number of processes may share the feeds: who polls a feed has a lease of it in Postgres. What goes wrong with a feed
is that feed's alone.
"""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from hashlib import blake2b

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker import metrics
from stream_worker.ingest.feeds.addresses import AddressGuard, opened_networks
from stream_worker.ingest.feeds.config import Feed, load_feeds
from stream_worker.ingest.feeds.fetching import Fetcher, Limits
from stream_worker.ingest.feeds.hosts import HostTurns
from stream_worker.ingest.feeds.polling import Poller
from stream_worker.ingest.feeds.publishing import EntryPublisher
from stream_worker.ingest.feeds.reading import Reader, ReadingLimits
from stream_worker.ingest.publisher import Publisher
from stream_worker.ingest.topics import max_message_bytes
from stream_worker.progress import Progress
from stream_worker.retry import until_available
from stream_worker.settings import Settings
from stream_worker.storage import feeds as storage
from stream_worker.storage.engine import ask, create_engine, is_passing
from stream_worker.storage.migrate import require_current
from stream_worker.vitals import Vitals
from stream_worker.vitals_server import serving_vitals

#: How long a process that has died keeps its feeds from others.
LEASE_SECONDS = 60.0
_LOOK_SECONDS = 0.5
_RELEASE_SECONDS = 5.0

_log = structlog.get_logger(__name__)


class FeedService:
    """Polls until cancelled."""

    def __init__(
        self, feeds: Sequence[Feed], engine: AsyncEngine, poller: Poller, settings: Settings, progress: Progress
    ) -> None:
        self._feeds = {feed.name: feed for feed in feeds}
        self._engine = engine
        self._poller = poller
        self._settings = settings
        self._progress = progress
        self._polls: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Polls what is due; a Kafka or Postgres that is away is waited for. Gives its claims back when cancelled."""
        renewing = asyncio.create_task(self._renew_for_ever())
        try:
            while True:
                for claim in await until_available(self._claim, "claiming feeds", self._progress):
                    self._polls[claim.feed] = asyncio.create_task(self._poll(claim))
                self._progress.moved()
                tasks = {renewing, *self._polls.values()}
                await asyncio.wait(tasks, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    if task.done():
                        task.result()
                self._polls = {name: task for name, task in self._polls.items() if not task.done()}
        finally:
            tasks = {renewing, *self._polls.values()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._release()

    async def _claim(self) -> list[storage.Claim]:
        free = self._settings.feeds_in_flight - len(self._polls)
        if not free:
            return []
        async with self._engine.begin() as connection:
            return await storage.claim(
                connection,
                self._poller.process,
                list(self._feeds),
                at_most=free,
                lease_seconds=LEASE_SECONDS,
                host_seconds=self._settings.feeds_host_interval_seconds,
            )

    async def _renew_for_ever(self) -> None:
        """A poll may take long while Kafka is away; nobody else is to begin it meanwhile."""
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            await until_available(self._renew, "renewing the claims of feeds")

    async def _renew(self) -> None:
        async with self._engine.begin() as connection:
            await storage.renew(connection, self._poller.process, list(self._polls), LEASE_SECONDS)

    async def _release(self) -> None:
        with suppress(SQLAlchemyError, OSError, TimeoutError):
            async with asyncio.timeout(_RELEASE_SECONDS), self._engine.begin() as connection:
                await storage.release(connection, self._poller.process)

    async def _poll(self, claim: storage.Claim) -> None:
        """When Postgres is away at the end of a turn, the lease runs out and the turn is repeated."""
        try:
            await self._poller.poll(self._feeds[claim.feed], claim)
        except Exception as error:
            if not is_passing(error):
                raise
            _log.warning("Postgres is away, the feed is polled again", feed=claim.feed, error=str(error)[:300])


def fetcher_from(settings: Settings) -> Fetcher:
    """A fetcher within the settings' limits. Raises ConfigurationError."""
    return Fetcher(
        AddressGuard(opened_networks(settings.feeds_private_networks)),
        HostTurns(settings.feeds_host_interval_seconds),
        Limits(settings.feeds_timeout_seconds, settings.feeds_max_bytes),
        settings.feeds_user_agent,
    )


async def run_feeds(settings: Settings, *, retry_gone: bool = False) -> None:
    """Poll until cancelled. Raises ConfigurationError where a person must change something first."""
    feeds = load_feeds(settings.feeds)
    fetcher = fetcher_from(settings)
    progress = Progress()
    vitals = Vitals(metrics.FEEDS, progress, settings.stuck_seconds)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving_vitals(vitals, settings, "feeds_http_port"))
        engine = create_engine(settings.require_database_url(), pool_size=settings.feeds_in_flight + 2)
        stack.push_async_callback(engine.dispose)
        await until_available(partial(require_current, engine), "checking the schema", progress)
        publisher = await _connected_publisher(settings, stack, progress)
        await stack.enter_async_context(fetcher)
        await until_available(partial(_enlist, engine, feeds, retry_gone), "enlisting feeds", progress)
        reader = Reader(ReadingLimits(settings.feeds_max_entries))
        poller = Poller(uuid.uuid4().hex, engine, fetcher, reader, EntryPublisher(engine, publisher))
        vitals.ready_when({"postgres": partial(ask, engine), "kafka": partial(_ask_kafka, settings)})
        _log.info("polling feeds", feeds=len(feeds), process=poller.process)
        await FeedService(feeds, engine, poller, settings, progress).run()


async def _connected_publisher(settings: Settings, stack: AsyncExitStack, progress: Progress) -> Publisher:
    topic = settings.topic("documents")
    limit = await until_available(partial(max_message_bytes, settings, topic), "looking at the topic", progress)
    publisher = Publisher(settings.require_kafka_bootstrap(), topic, limit)
    return await until_available(partial(stack.enter_async_context, publisher), "connecting to Kafka", progress)


async def _ask_kafka(settings: Settings) -> str:
    topic = settings.topic("documents")
    return f"{topic} takes messages of up to {await max_message_bytes(settings, topic)} bytes"


async def _enlist(engine: AsyncEngine, feeds: Sequence[Feed], retry_gone: bool) -> None:
    records = [
        storage.FeedRecord(feed.name, blake2b(feed.url.get_secret_value().encode(), digest_size=16).digest(), feed.host)
        for feed in feeds
    ]
    async with engine.begin() as connection:
        await storage.enlist(connection, records, retry_gone=retry_gone)
