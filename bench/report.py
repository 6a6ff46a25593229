"""The table: what was measured, the ratio that matters, and the goal."""

from dataclasses import asdict, dataclass

from bench.forward import Speed
from bench.service import Latency, Memory, Throughput

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Results:
    """Everything of one run; documents a second where not said otherwise."""

    origin: str
    machine: str
    forward_before: Speed
    forward_after: Speed
    triton: Speed
    service: Throughput
    naive: float
    latency: Latency
    null_service: Throughput
    memory: Memory
    stage_micros: dict[str, float]

    @property
    def forward(self) -> float:
        """The mean of before and after: the machine may have had other things to do meanwhile."""
        return (self.forward_before.per_second + self.forward_after.per_second) / 2

    def as_json(self) -> dict[str, object]:
        """For scripts."""
        return {
            **asdict(self),
            "forward": self.forward,
            "service_to_forward": self.service.per_second / self.forward,
            "service_to_naive": self.service.per_second / self.naive,
            "null_per_worker_core": self.null_service.per_worker_core,
            "memory_growth": self.memory.growth,
        }


def lines(results: Results) -> list[str]:
    """The table, line by line."""
    service, null = results.service, results.null_service
    rows = [
        ("(a) forward pass of both models, in process", _rate(results.forward), "", ""),
        (
            "(b) the same through Triton",
            _rate(results.triton.per_second),
            _ratio(results.triton.per_second / results.forward, "(a)"),
            "",
        ),
        _goal("(c) the service, Kafka to committed row", service.per_second, results.forward, "(a)", 0.85),
        _goal("(e) one message, one insert at a time", results.naive, results.naive, "", None),
        _goal("    (c) against (e)", service.per_second, results.naive, "(e)", 3.0),
        (
            "(d) the service with a null model",
            f"{null.per_worker_core:,.0f}/s a core",
            f"{1e6 / null.per_worker_core:,.0f} µs each",
            _verdict(null.per_worker_core >= 3_000, "≥ 3,000/s a core"),
        ),
        (
            f"publish → committed at {results.latency.per_second:.0f}/s",
            f"p50 {results.latency.p50 * 1e3:.0f} ms",
            f"p99 {results.latency.p99 * 1e3:.0f} ms",
            _verdict(results.latency.p50 <= 0.080 and results.latency.p99 <= 0.300, "≤ 80 and ≤ 300 ms"),
        ),
        (
            "worker RSS, most",
            f"{results.memory.most / _MIB:.0f} MiB",
            f"{results.memory.growth:+.1%} over a second {results.memory.documents:,} documents",
            _verdict(results.memory.most <= 400e6 and results.memory.growth < 0.05, "≤ 400 MB, < 5 %"),
        ),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [
        f"{results.origin}; {results.machine}",
        f"(a) before (b) and (c) {results.forward_before.per_second:.0f}/s, after them "
        f"{results.forward_after.per_second:.0f}/s",
        "",
        *table,
        "",
        "CPU seconds per 1,000 documents      worker  postgres  kafka  triton",
        f"{'(a) forward pass, in process':<36}{_thousand(results.forward_before):8.2f}",
        _cpu("(c) the service", service),
        _cpu("(d) the service with a null model", null),
        "",
        *_stages(results),
    ]


def _stages(results: Results) -> list[str]:
    total = 1e6 / results.null_service.per_worker_core
    rest = total - sum(results.stage_micros.values())
    entries = {**results.stage_micros, "Kafka client, Faust, gRPC, logs, event loop (the rest)": rest}
    shown = [f"{micros:8.0f}  {name}" for name, micros in entries.items()]
    return ["µs of the worker's CPU a document, null model", *shown, f"{total:8.0f}  all of it"]


def _goal(name: str, value: float, base: float, against: str, goal: float | None) -> tuple[str, str, str, str]:
    if goal is None:
        return name, _rate(value), "", ""
    return name, _rate(value), _ratio(value / base, against), _verdict(value / base >= goal, f"≥ {goal} × {against}")


def _rate(value: float) -> str:
    return f"{value:,.0f}/s"


def _ratio(value: float, against: str) -> str:
    return f"{value:.2f} × {against}"


def _verdict(reached: bool, goal: str) -> str:
    return f"{'reached' if reached else 'MISSED'}: {goal}"


def _thousand(speed: Speed) -> float:
    return 1e3 * speed.cpu_seconds / speed.documents


def _cpu(name: str, measured: Throughput) -> str:
    cpu = measured.cpu
    shares = (1e3 * seconds / measured.documents for seconds in (cpu.worker, cpu.postgres, cpu.kafka, cpu.triton))
    return f"{name:<36}" + "".join(f"{share:8.2f}" for share in shares)
