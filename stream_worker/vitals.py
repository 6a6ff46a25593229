"""What a service tells about itself, whoever serves it: does it live, can it work, and its metrics."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Generic, TypeVar

import orjson
import structlog
from prometheus_client import CollectorRegistry

from stream_worker.errors import Unavailable, in_words
from stream_worker.metrics import exposition
from stream_worker.progress import Progress

T = TypeVar("T")

#: Asks something real and says in a few words what it saw. Whatever it raises is why the service cannot work.
Check = Callable[[], Awaitable[str]]

#: A server that does not answer a health check for so long is away.
CHECK_SECONDS = 4.0
#: Probes that come sooner get the same answer, so that a storm of them is no load.
KEPT_SECONDS = 1.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw, or why it failed."""

    ok: bool
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The findings by the name of their check."""

    checks: Mapping[str, Finding]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return all(finding.ok for finding in self.checks.values())

    @property
    def status(self) -> int:
        """Of the HTTP response."""
        return 200 if self.ok else 503

    @property
    def body(self) -> bytes:
        """JSON: {"ok", "failing": [name], "checks": {name: {"ok", "detail", "seconds"}}}."""
        failing = [name for name, finding in self.checks.items() if not finding.ok]
        checks = {name: asdict(finding) for name, finding in self.checks.items()}
        return orjson.dumps({"ok": self.ok, "failing": failing, "checks": checks})


@dataclass(frozen=True, slots=True)
class LineOfWork:
    """Something that has to get on by itself, while `has_work`; where that raises, there is nothing to do."""

    progress: Progress
    has_work: Callable[[], Awaitable[bool]]


class Vitals:
    """Liveness, readiness and metrics of one service. For one event loop, whose turning is part of being alive.

    It lives as long as it gets on: not where there has been work for `stuck_seconds` without a step, in any of its
    lines of work. It is ready when every check given to `ready_when` succeeds; before that it is starting.
    """

    def __init__(self, registry: CollectorRegistry, progress: Progress, stuck_seconds: float) -> None:
        self._registry = registry
        self._progress = progress
        self._stuck_seconds = stuck_seconds
        self._checks: Mapping[str, Check] = {"start": self._starting}
        self._lines: Mapping[str, LineOfWork] = {"progress": LineOfWork(progress, _always)}
        self._gauges: Callable[[], Awaitable[None]] = _nothing
        self._ready = _Kept(self._ask)
        self._gauged = _Kept(self._gauge)

    def ready_when(self, checks: Mapping[str, Check]) -> None:
        """The service has started; from now on these checks say whether it can work."""
        self._checks = checks
        self._ready = _Kept(self._ask)

    def works_in(self, lines: Mapping[str, LineOfWork]) -> None:
        """By name. Without it there is one, in which there is always something to do."""
        self._lines = lines

    def gauges_are_read_by(self, gauges: Callable[[], Awaitable[None]]) -> None:
        """Sets the metrics that need a question to a server, before they are told."""
        self._gauges = gauges

    async def live(self) -> Answer:
        """Whether the service gets on with its work."""
        findings = await asyncio.gather(*(self._gets_on(line) for line in self._lines.values()))
        return Answer(dict(zip(self._lines, findings, strict=True)))

    async def ready(self) -> Answer:
        """Whether the service can do its work at this moment."""
        return await self._ready.get()

    async def metrics(self, accept: str | None) -> tuple[bytes, str]:
        """The metrics and their content type, in the format that an Accept header asks for."""
        await self._gauged.get()
        return exposition(self._registry, accept)

    async def _gets_on(self, line: LineOfWork) -> Finding:
        idle = line.progress.idle_seconds()
        if idle < self._stuck_seconds:
            return Finding(True, f"the last step was {idle:.1f} s ago", 0.0)
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                has_work = await line.has_work()
        except Exception:  # noqa: BLE001 - who cannot be asked gives no work
            has_work = False
        stalled = line.progress.stalled_seconds(has_work=has_work)
        if stalled < self._stuck_seconds:
            return Finding(True, "there is work to do" if has_work else "there is nothing to do", 0.0)
        return Finding(False, f"no step for {stalled:.0f} s, although there is work to do", 0.0)

    async def _starting(self) -> str:
        waits = "; ".join(f"{what}: {why}" for what, why in self._progress.waits.items())
        raise Unavailable(f"starting, waiting for a server ({waits})" if waits else "starting")

    async def _ask(self) -> Answer:
        findings = await asyncio.gather(*map(_finding, self._checks.values()))
        return Answer(dict(zip(self._checks, findings, strict=True)))

    async def _gauge(self) -> None:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._gauges()
        except Exception as error:  # noqa: BLE001 - the other metrics are told all the same
            _log.debug("some gauges could not be read", error=repr(error))


class _Kept(Generic[T]):
    """The answer to a question, asked once for all who come meanwhile or within `KEPT_SECONDS`."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[T] | None = None
        self._known_until = 0.0

    async def get(self) -> T:
        if self._asking is None or (self._asking.done() and time.monotonic() > self._known_until):
            self._asking = asyncio.create_task(self._answer())
        # Shielded: who asked may go away, others wait for the same answer.
        return await asyncio.shield(self._asking)

    async def _answer(self) -> T:
        answer = await self._ask()
        self._known_until = time.monotonic() + KEPT_SECONDS
        return answer


async def _finding(check: Check) -> Finding:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            ok, detail = True, await check()
    except Exception as error:  # noqa: BLE001 - told to whoever asked
        ok, detail = False, _said(error)
    return Finding(ok, detail, round(time.perf_counter() - began, 4))


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return f"no answer within {CHECK_SECONDS:g} s"
    return in_words(error)


async def _always() -> bool:
    return True


async def _nothing() -> None:
    pass
