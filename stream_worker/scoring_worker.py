"""The scoring worker: a thin Faust app that hands raw messages to the pipeline, and the backfill lane beside it."""

import asyncio
import os
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import faust
import structlog
from faust.types import TP

from stream_worker.backfill import BackfillLane
from stream_worker.domain.lanes import Lane
from stream_worker.errors import StopWorker, TooManyDeadLetters
from stream_worker.faust_consumer import assignor_with, transport_with
from stream_worker.pipelines.batch import Message
from stream_worker.pipelines.micro_batches import Limits, MicroBatches
from stream_worker.pipelines.positions import Positions
from stream_worker.pipelines.scoring import ScoringPipeline
from stream_worker.settings import Settings

#: A dead worker's partitions are given to others after so long.
SESSION_SECONDS = 10.0
#: Beyond the drain: leaving the group, flushing and closing.
CLOSING_SECONDS = 10.0

#: Messages that Faust holds in front of the batches. Each may be a megabyte; aiokafka fetches ahead by itself.
STREAM_BUFFER_MESSAGES = 256

_log = structlog.get_logger(__name__)


class ScoringWorker:
    """One worker process: consumes, scores, commits, until told to stop or unable to go on."""

    def __init__(self, settings: Settings, pipelines: Mapping[Lane, ScoringPipeline]) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self._history_failure: TooManyDeadLetters | None = None
        self._positions = Positions()
        self._live = pipelines[Lane.LIVE]
        self._assigned: frozenset[tuple[str, int]] | None = None
        self._batches = MicroBatches(
            self._live,
            Limits(
                settings.batch_documents,
                settings.batch_bytes,
                settings.batch_wait_seconds,
                settings.batches_in_flight,
            ),
            acknowledge=self._positions.acknowledge,
            fail=self._fail,
        )
        self._backfill = BackfillLane(settings, pipelines[Lane.BACKFILL], self._drain_seconds)
        self._app = self._faust_app()

    async def run(self) -> None:
        """Run until `stop`. Raises what the pipeline could not cure, or StopWorker where Faust gave up."""
        await self._app.start()
        backfill = asyncio.create_task(self._backfill.run())
        backfill.add_done_callback(self._backfill_ended)
        try:
            await self._app.wait(self._stop.wait())
        finally:
            self._end_in_time()
            backfill.cancel()
            await asyncio.gather(self._app.stop(), backfill, return_exceptions=True)
        if self._failure is not None:
            raise self._failure
        if self._app.crash_reason is not None:
            raise StopWorker(f"The Kafka consumer gave up: {self._app.crash_reason!r}.")

    def assigned(self) -> frozenset[tuple[str, int]] | None:
        """The partitions that this worker reads, of either lane; None before it has joined both groups."""
        if self._assigned is None or self._backfill.assigned is None:
            return None
        return self._assigned | self._backfill.assigned

    def why_history_stands_still(self) -> TooManyDeadLetters | None:
        """What ended the backfill lane while live documents go on; None where it goes on as well."""
        return self._history_failure

    def stop(self) -> None:
        """Finish the batches in flight, then end."""
        _log.info("stopping")
        self._stop.set()

    def _end_in_time(self) -> None:
        """End the process should Faust or a client not end by itself (they wait for Kafka, and swallow cancellation).

        Nothing is lost by it: what was not acknowledged is read again.
        """
        seconds = self._settings.drain_seconds + CLOSING_SECONDS
        timer = threading.Timer(seconds, _give_up, args=[seconds])
        timer.daemon = True
        timer.start()

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
            self._stop.set()

    def _backfill_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, TooManyDeadLetters):
            # Whoever replays a bad file must not stop what is live.
            self._history_failure = error
            _log.error("history stands still until this worker is started again", reason=str(error))
        else:
            self._fail(error)

    def _topic_is_missing(self, topic: str) -> None:
        """Called in the consumer's thread."""
        error = StopWorker(f"Kafka does not know the topic {topic} at the moment; a new worker will join anew.")
        self._loop.call_soon_threadsafe(self._fail, error)

    def _partitions_assigned(self, assigned: Iterable[TP]) -> None:
        self._assigned = frozenset((tp.topic, tp.partition) for tp in assigned)
        self._live.partitions_assigned()

    def _drain_seconds(self) -> float:
        return 0.0 if self._failure is not None else self._settings.drain_seconds

    async def _drain(self) -> None:
        await self._batches.drain(self._drain_seconds())

    def _faust_app(self) -> faust.App:
        settings = self._settings
        brokers = ";".join(f"kafka://{server}" for server in settings.require_kafka_bootstrap().split(","))
        # Faust makes a folder for tables, which we have none of, and would do so in the working directory.
        data_folder = settings.home / "faust"
        data_folder.mkdir(parents=True, exist_ok=True)
        app = faust.App(
            settings.consumer_group,
            broker=brokers,
            autodiscover=False,
            datadir=data_folder,
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            stream_wait_empty=True,
            stream_buffer_maxsize=STREAM_BUFFER_MESSAGES,
            broker_commit_interval=0.5,
            broker_session_timeout=SESSION_SECONDS,
            broker_heartbeat_interval=SESSION_SECONDS / 5,
            broker_request_timeout=30.0,
            consumer_auto_offset_reset="earliest",
            PartitionAssignor=assignor_with(self._topic_is_missing),
        )
        transport = transport_with(self._positions, self._drain, self._partitions_assigned)
        app.transport = transport(app.conf.broker_consumer, app)
        documents = app.topic(
            settings.topic("documents"),
            key_type=bytes,
            key_serializer="raw",
            value_type=bytes,
            value_serializer="raw",
        )
        app.agent(documents, name="scoring")(self._consume)
        return app

    async def _consume(self, stream: Any) -> None:
        async for event in stream.noack().events():
            message = event.message
            await self._batches.put(
                Message(message.topic, message.partition, message.offset, message.key, message.value, message.timestamp)
            )


def _give_up(seconds: float) -> None:
    _log.error("could not close everything in time, ending without", seconds=seconds)
    os._exit(1)
