"""Every Prometheus metric of finsentry, in one place: what a service tells at `/metrics`.

Each service has a registry of its own, so that it shows nothing that it does not do. Names follow Prometheus' practice:
`finsentry_` first, the unit last, `_total` for what only grows. Counting costs some 2 µs a metric and batch, tick,
request or fetch, and 1 µs a document for its latency. Lags and queues (gauges that need a question to a server) are
asked for when somebody scrapes (`vitals`).

Values of labels are few and known: a lane, a stage, a server, a reason, a topic. No id, no text, no address.
"""

from contextlib import AbstractContextManager

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from stream_worker.domain.lanes import Lane

# A sample more for each series, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

#: From a millisecond to a request's deadline; finer around what a batch takes.
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.0, 2.0, 5.0, 10.0, 30.0)
#: Budgets are 80 ms for half of the documents and 300 ms for 99 in 100; a backlog takes hours.
_LATENCY_SECONDS = (
    *(0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6, 1.0),
    *(2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0),
)
_DOCUMENTS = tuple(float(2**power) for power in range(13))
_BYTES = tuple(float(4**power) for power in range(5, 13))

# Every service

#: Calls that were tried again. server: kafka, postgres, redis, triton, other.
RETRIES = Counter("finsentry_retries_total", "Calls tried again because a server was away", ["server"], registry=None)
for _server in ("kafka", "postgres", "redis", "triton", "other"):
    RETRIES.labels(_server)


def _registry() -> CollectorRegistry:
    """With what every service tells: memory, CPU, open files, garbage collection, Python's version, retries."""
    registry = CollectorRegistry()
    for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR, RETRIES):
        registry.register(collector)
    return registry


WORKER = _registry()
MONITOR = _registry()
GATEWAY = _registry()
FEEDS = _registry()

# Worker. lane: live, backfill.

CONSUMER_LAG = Gauge(
    "finsentry_consumer_lag_messages",
    "Messages of the partitions assigned to this worker that its group has not committed",
    ["lane", "topic", "partition"],
    registry=WORKER,
)
BATCHES_IN_FLIGHT = Gauge(
    "finsentry_batches_in_flight", "Batches that have left and are not acknowledged", ["lane"], registry=WORKER
)
BATCH_DOCUMENTS = Histogram(
    "finsentry_batch_documents", "Messages in a batch", ["lane"], buckets=_DOCUMENTS, registry=WORKER
)
BATCH_BYTES = Histogram("finsentry_batch_bytes", "Bytes in a batch", ["lane"], buckets=_BYTES, registry=WORKER)
#: stage, in the order of a batch: prepare (all up to wait; in it: clean, infer, link), wait (for the batch in front),
#: commit, emit. Retries while a server is away are part of a stage.
STAGE_SECONDS = Histogram(
    "finsentry_stage_seconds", "Time of a batch in a stage", ["lane", "stage"], buckets=_SECONDS, registry=WORKER
)
#: outcome: accepted, duplicate, erased, dead_letter.
RECEIPTS = Counter("finsentry_receipts_total", "Messages by what became of them", ["lane", "outcome"], registry=WORKER)
#: reason: one of domain.refusals.Reason.
DEAD_LETTERS = Counter(
    "finsentry_dead_letters_total", "Messages that could not become documents", ["lane", "reason"], registry=WORKER
)
#: reason: why the models were not asked, see domain.language.
UNSCORED = Counter(
    "finsentry_unscored_documents_total", "Documents stored without a score", ["reason"], registry=WORKER
)
#: From the message's time in Kafka (the broker's own clock on our topics) to the return of the commit.
PUBLISH_TO_COMMIT = Histogram(
    "finsentry_publish_to_commit_seconds",
    "Time from publication in Kafka to the commit in Postgres",
    ["lane"],
    buckets=_LATENCY_SECONDS,
    registry=WORKER,
)
#: source: cache (analysed lately), shared (another call was asking at that moment), model.
ANALYSES = Counter("finsentry_analyses_total", "Texts by what analysed them", ["source"], registry=WORKER)

# Monitor

PENDING_MARKS = Gauge("finsentry_pending_marks", "Marks whose windows are to be recomputed", registry=MONITOR)
OLDEST_MARK_SECONDS = Gauge(
    "finsentry_oldest_pending_mark_seconds", "How long the oldest mark has waited", registry=MONITOR
)
PENDING_PUBLICATIONS = Gauge(
    "finsentry_pending_publications", "Instruments whose live state is older than their windows", registry=MONITOR
)
MARKS = Counter("finsentry_marks_total", "Marks turned into windows", registry=MONITOR)
WINDOWS = Counter("finsentry_windows_recomputed_total", "Windows recomputed from rows", registry=MONITOR)
PUBLICATIONS = Counter("finsentry_publications_total", "Live states put into Redis", registry=MONITOR)
RECOMPUTE_SECONDS = Histogram(
    "finsentry_recompute_seconds", "Time of one transaction of marks", buckets=_SECONDS, registry=MONITOR
)
REDIS_PUT_SECONDS = Histogram(
    "finsentry_redis_put_seconds", "Time of one put into Redis", buckets=_SECONDS, registry=MONITOR
)
TICK_SECONDS = Histogram(
    "finsentry_tick_seconds", "Time of one round of recomputing and publishing", buckets=_SECONDS, registry=MONITOR
)

# Gateway

GATEWAY_REQUESTS = Counter("finsentry_gateway_requests_total", "Requests by their answer", ["status"], registry=GATEWAY)
GATEWAY_REQUEST_SECONDS = Histogram(
    "finsentry_gateway_request_seconds", "Time of a request", buckets=_SECONDS, registry=GATEWAY
)
#: outcome: accepted, or the reason of the refusal.
GATEWAY_DOCUMENTS = Counter(
    "finsentry_gateway_documents_total", "Documents by what became of them", ["outcome"], registry=GATEWAY
)
GATEWAY_BYTES_IN_FLIGHT = Gauge(
    "finsentry_gateway_in_flight_bytes", "Bytes of requests that are not answered", registry=GATEWAY
)

# Feeds. feed: its name in the configuration.

#: result: new, unchanged, or the reason of the failure.
FEED_FETCHES = Counter("finsentry_feed_fetches_total", "Fetches by their result", ["feed", "result"], registry=FEEDS)
FEED_ENTRIES = Counter("finsentry_feed_entries_published_total", "Entries published", ["feed"], registry=FEEDS)
#: reason: one of domain.refusals.Reason, repeated, or too_large.
FEED_ENTRIES_SKIPPED = Counter(
    "finsentry_feed_entries_skipped_total", "Entries that cannot be documents", ["feed", "reason"], registry=FEEDS
)
FEED_FETCH_SECONDS = Histogram("finsentry_feed_fetch_seconds", "Time of one fetch", buckets=_SECONDS, registry=FEEDS)


def stage(name: str, lane: Lane) -> AbstractContextManager[object]:
    """Times a batch in a stage, from here to the end of the `with`."""
    return STAGE_SECONDS.labels(lane, name).time()


def exposition(registry: CollectorRegistry, accept: str | None) -> tuple[bytes, str]:
    """The registry's metrics and their content type, in the format that an Accept header asks for."""
    encode, content_type = choose_encoder(accept or "")
    return encode(registry), content_type
