"""The scoring worker's process: its object graph, its signals, its health."""

import asyncio
import gc
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

import structlog
from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.assembly import lane_assessors
from stream_worker.directory.current import CurrentLinker
from stream_worker.domain.lanes import Lane
from stream_worker.errors import FinsentryError, StopWorker
from stream_worker.inference.opening import open_lanes
from stream_worker.ingest.backlog import BacklogReader, read_by_workers
from stream_worker.ingest.publisher import started
from stream_worker.ingest.topics import require_topics
from stream_worker.metrics import WORKER
from stream_worker.pipelines.assess import Assessor
from stream_worker.pipelines.emission import Emitter
from stream_worker.pipelines.scoring import ScoringPipeline
from stream_worker.progress import Progress
from stream_worker.retry import until_available
from stream_worker.scoring_worker import ScoringWorker
from stream_worker.settings import Settings
from stream_worker.storage.engine import create_engine
from stream_worker.storage.migrate import require_current
from stream_worker.storage.models import record_models
from stream_worker.vitals import LineOfWork, Vitals
from stream_worker.vitals_server import serving_vitals
from stream_worker.worker_health import WorkerHealth

#: Objects made but not freed before a look for cycles; the pipeline makes some hundred a document, in few cycles.
GARBAGE_THRESHOLDS = (20_000, 20, 20)

_log = structlog.get_logger(__name__)


async def run_worker(settings: Settings) -> None:
    """Open everything, score until SIGTERM or SIGINT, close everything.

    Raises ConfigurationError (a ContractError for the wrong model) before anything was read, and StopWorker or the
    pipeline's own error where it could not go on.
    """
    progress = {lane: Progress() for lane in Lane}
    vitals = Vitals(WORKER, progress[Lane.LIVE], settings.stuck_seconds)
    available = partial(until_available, progress=progress[Lane.LIVE])
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving_vitals(vitals, settings, "worker_http_port"))
        engine = create_engine(settings.require_database_url())
        stack.push_async_callback(engine.dispose)
        await available(partial(require_current, engine), "checking the schema")
        analyzers = await available(lambda: stack.enter_async_context(open_lanes(settings)), "Triton")
        live = analyzers[Lane.LIVE]
        await available(partial(record_models, engine, live.model_version, settings), "recording the model")
        linker = await available(partial(CurrentLinker.open, engine), "reading the directory of instruments")
        watching = asyncio.create_task(linker.watch())
        stack.callback(watching.cancel)
        # Without its topics it would be assigned nothing, for ever.
        await available(partial(require_topics, settings), "looking for the topics")
        producer = await available(partial(start_producer, settings), "Kafka")
        stack.push_async_callback(producer.stop)
        worker = ScoringWorker(
            settings, _pipelines(settings, engine, lane_assessors(linker, analyzers), producer, progress)
        )
        reader = await stack.enter_async_context(BacklogReader(settings.require_kafka_bootstrap()))
        health = WorkerHealth(
            engine, live, reader, read_by_workers(settings), worker.assigned, worker.why_history_stands_still
        )
        vitals.ready_when(health.checks)
        vitals.works_in(
            {
                Lane.LIVE.value: LineOfWork(progress[Lane.LIVE], health.has_live_work),
                Lane.BACKFILL.value: LineOfWork(progress[Lane.BACKFILL], health.has_history_to_do),
            }
        )
        vitals.gauges_are_read_by(health.read_gauges)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, worker.stop)
        _tame_garbage_collection()
        _log.info("scoring", model_version=live.model_version, group=settings.consumer_group)
        try:
            await worker.run()
        except FinsentryError:
            raise
        except Exception as error:
            _log.exception("the pipeline failed")
            raise StopWorker(f"The pipeline failed: {error}. Nothing of the failed batch was acknowledged.") from error


def _pipelines(
    settings: Settings,
    engine: AsyncEngine,
    assessors: Mapping[Lane, Assessor],
    producer: AIOKafkaProducer,
    progress: Mapping[Lane, Progress],
) -> dict[Lane, ScoringPipeline]:
    emitter = Emitter(producer, settings.topic("scores"), settings.topic("dead-letters"))
    return {
        lane: ScoringPipeline(
            engine,
            assessor,
            emitter,
            now=lambda: datetime.now(UTC),
            code_version=version("finsentry"),
            dead_letter_limit=settings.dead_letter_limit,
            progress=progress[lane],
            lane=lane,
        )
        for lane, assessor in assessors.items()
    }


def _tame_garbage_collection() -> None:
    """Never walk again what was loaded to stay (directory, automaton, profiles), and look for cycles more rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


async def start_producer(settings: Settings) -> AIOKafkaProducer:
    """What emits scores and dead letters. Raises KafkaError where no broker answers."""
    return await started(
        AIOKafkaProducer(bootstrap_servers=settings.require_kafka_bootstrap(), acks="all", linger_ms=2)
    )
