"""A worker or monitor with a fault in it: `python -m tests.faults.armed COMMAND POINT ACTION [FILE]`.

It is `finsentry COMMAND`, but for one crossing of POINT, a boundary between two steps:

- `die`: it kills itself there, as `kill -9` would.
- `hold`: its coroutine waits there until FILE is removed; heartbeats, rebalances and signals go on.
- `freeze`: the whole process's event loop stands still until FILE is removed.

Holding and freezing make FILE when they begin, so that a test knows without guessing.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from stream_worker.cli import main

Fault = Callable[[], Awaitable[None]]


def _die() -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def _fault(action: str, file: Path | None) -> Fault:
    """Strikes at the first crossing only."""
    struck = False

    async def strike() -> None:
        nonlocal struck
        if struck:
            return
        struck = True
        if action == "die":
            _die()
        assert file is not None
        file.touch()
        while file.exists():
            if action == "hold":
                await asyncio.sleep(0.02)
            else:
                time.sleep(0.02)  # noqa: ASYNC251 - nothing else may run

    return strike


def _before(owner: Any, name: str, fault: Fault) -> None:
    original = getattr(owner, name)

    async def crossed(*arguments: Any, **more: Any) -> Any:
        await fault()
        return await original(*arguments, **more)

    setattr(owner, name, crossed)


def _after(owner: Any, name: str, fault: Fault) -> None:
    original = getattr(owner, name)

    async def crossed(*arguments: Any, **more: Any) -> Any:
        result = await original(*arguments, **more)
        await fault()
        return result

    setattr(owner, name, crossed)


def _arm(point: str, fault: Fault) -> None:
    from aiokafka import AIOKafkaConsumer

    from stream_worker.backfill import BackfillLane
    from stream_worker.faust_consumer import PositionConsumer
    from stream_worker.pipelines.monitoring import Monitor
    from stream_worker.pipelines.scoring import ScoringPipeline
    from stream_worker.pipelines.writing import BatchWriter
    from stream_worker.storage import batches, publications, windows

    {
        "received": lambda: _before(ScoringPipeline, "prepare", fault),
        "inferred": lambda: _after(ScoringPipeline, "prepare", fault),
        "in the transaction": lambda: _after(batches, "insert_receipts", fault),
        "committed": lambda: _after(BatchWriter, "_write_once", fault),
        "half emitted": lambda: _half_emitted(fault),
        "emitted": lambda: _after(ScoringPipeline, "emit", fault),
        "acknowledged": lambda: _before(PositionConsumer, "_commit_offsets", fault),
        "offset committed": lambda: _after(PositionConsumer, "_commit_offsets", fault),
        "history pulled": lambda: _after(BackfillLane, "_pull", fault),
        "history acknowledged": lambda: _before(AIOKafkaConsumer, "commit", fault),
        "history's offset committed": lambda: _after(AIOKafkaConsumer, "commit", fault),
        "marks claimed": lambda: _before(windows, "to_publish", fault),
        "windows committed": lambda: _before(Monitor, "_publish_if_redis_answers", fault),
        "half published": lambda: _half_published(fault),
        "published": lambda: _before(publications, "taken", fault),
    }[point]()


def _half_emitted(fault: Fault) -> None:
    """Half of the batch's scores are on the broker, acknowledged."""
    from stream_worker.pipelines.batch import Emissions
    from stream_worker.pipelines.emission import Emitter

    original = Emitter.emit

    async def emit(self: Emitter, emissions: Emissions) -> None:
        half = Emissions(emissions.scores[: len(emissions.scores) // 2])
        await original(self, half)
        await fault()
        await original(self, emissions)

    setattr(Emitter, "emit", emit)  # noqa: B010 - a method is replaced


def _half_published(fault: Fault) -> None:
    """Half of what is due is in Redis."""
    from stream_worker.storage import live

    original = live.put

    async def put(client: Any, states: Any, time_to_live: Any) -> None:
        states = list(states)
        await original(client, states[: len(states) // 2], time_to_live)
        await fault()
        await original(client, states, time_to_live)

    setattr(live, "put", put)  # noqa: B010 - a function is replaced


if __name__ == "__main__":
    _, command, point, action, *files = sys.argv
    _arm(point, _fault(action, Path(files[0]) if files else None))
    sys.argv = ["finsentry", command]
    main()
