"""What is wrong, in words, with what to do about it."""

from collections.abc import Iterator
from datetime import timedelta

from stream_worker.settings import Clock
from stream_worker.status.findings import Process, Status
from stream_worker.worker_health import HISTORY

#: The monitor looks four times a second, and publishes everything anew every 30 s.
LONGEST_MARK_SECONDS = 60.0
OLDEST_LIVE_VIEW = timedelta(seconds=120)
#: While documents wait and a worker reads, something is stored more often than this.
LONGEST_SILENCE = timedelta(seconds=60)


def problems(status: Status, clock: Clock) -> list[str]:
    """Sentences for a person, what is to be done first coming first. Nothing is wrong where there are none."""
    if status.is_nowhere:
        return [
            f"finsentry is not up in {status.home}: start it with `finsentry up`, or set FINSENTRY_DATABASE_URL, "
            "_REDIS_URL, _KAFKA_BOOTSTRAP and _TRITON_URL to look at servers elsewhere."
        ]
    return [
        *_of_the_stack(status),
        *_of_servers(status),
        *(_of_what_must_be_made(status) if status.expects_services else ()),
        *_of_processes(status),
        *(_of_the_flow(status, clock) if status.expects_services else ()),
    ]


def _of_the_stack(status: Status) -> Iterator[str]:
    if status.up is False:
        yield f"finsentry was up in {status.home} and its supervisor is gone: start it again with `finsentry up`."


def _of_servers(status: Status) -> Iterator[str]:
    for server in status.servers.values():
        if server.address is None:
            yield f"{server.title} has no address: set its variable, see `finsentry check-config`."
        elif server.problem.startswith(server.title):
            yield f"{server.problem}."
        elif server.problem:
            yield f"{server.title} at {server.address} fails: {server.problem}."


def _of_what_must_be_made(status: Status) -> Iterator[str]:
    schema = status.schema
    if schema is not None and schema.current != schema.needed:
        yield (
            f"The database is at schema revision {schema.current or 'none'}, this program needs {schema.needed}: run "
            "`finsentry migrate`."
        )
    if status.missing_topics:
        yield f"Kafka has no topic {', '.join(status.missing_topics)}: run `finsentry topics apply`."


def _of_processes(status: Status) -> Iterator[str]:
    away = {name for name, server in status.servers.items() if server.problem}
    for name, process in status.processes.items():
        if process.pid is None and process.condition not in ("", "finished"):
            yield f"The {name} does not run ({process.condition}): see its log {process.log}."
        yield from _of_health(name, process, away)


def _of_health(name: str, process: Process, away: set[str]) -> Iterator[str]:
    health = process.health
    if health is None:
        return
    if not health.answers:
        yield f"The {name} runs and does not answer over HTTP: it hangs, or it has just been started."
    elif not health.alive:
        yield f"The {name} is stuck, there is work and it does nothing: end it, another one goes on where it stood."
    # What is said above of a server needs no repetition by those who need it.
    for check, reason in health.failing.items():
        if check not in away:
            yield f"The {name} is not ready ({check}): {reason}."


def _of_the_flow(status: Status, clock: Clock) -> Iterator[str]:
    told = {"backfill"} if _history_stands_still(status) else set[str]()
    lanes = [lane for name, lane in (status.lanes or {}).items() if name not in told]
    if unread := [lane for lane in lanes if lane.readers == 0 and lane.partitions]:
        waiting = sum(lane.waiting for lane in unread)
        wait = f", and {waiting:,} documents wait" if waiting else ""
        yield f"No worker reads {' and '.join(lane.topic for lane in unread)}{wait}: start `finsentry worker`."
    activity = status.activity
    if activity is None:
        return
    live = (status.lanes or {}).get("live")
    if live is not None and live.readers != 0 and live.waiting:
        newest = activity.newest_live_receipt_at
        if newest is None or activity.now - newest > LONGEST_SILENCE:
            yield (
                f"{live.waiting:,} documents wait in {live.topic}, a worker reads it, and nothing was stored for "
                f"{LONGEST_SILENCE.seconds} s: see the worker's log."
            )
    if activity.pending.oldest_mark_seconds > LONGEST_MARK_SECONDS:
        yield (
            f"{activity.pending.marks:,} marks wait for the monitor, the oldest for "
            f"{activity.pending.oldest_mark_seconds:.0f} s: it does not run (`finsentry monitor`), or cannot keep up."
        )
    elif clock is Clock.WALL and _live_view_is_old(status):
        yield "The live view in Redis is not published any more: start `finsentry monitor`, or see its log."


def _history_stands_still(status: Status) -> bool:
    """Whether a worker says so itself, with the reason."""
    return any(process.health and HISTORY in process.health.failing for process in status.processes.values())


def _live_view_is_old(status: Status) -> bool:
    if not status.servers["redis"].answers or status.activity is None or status.activity.newest_received_at is None:
        return False
    return status.live_view_at is None or status.activity.now - status.live_view_at > OLDEST_LIVE_VIEW
