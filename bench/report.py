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
    rows = [*_speeds(results), _latency(results.latency), _memory(results.memory)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        f"{results.origin}; {results.machine}",
        f"(a) before (b) and (c) {results.forward_before.per_second:.0f}/s, after them "
        f"{results.forward_after.per_second:.0f}/s",
        "",
        *("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows),
        "",
        "CPU seconds per 1,000 documents      worker  postgres  kafka  triton",
        f"{'(a) forward pass, in process':<36}{1e3 * results.forward_before.cpu_per_document:8.2f}",
        _cpu("(c) the service", results.service),
        _cpu("(d) the service with a null model", results.null_service),
        "",
        *_stages(results),
    ]


#: What was measured, its figure, a ratio, and the goal.
_Row = tuple[str, str, str, str]


def _speeds(results: Results) -> list[_Row]:
    forward, triton, service, naive = results.forward, results.triton.per_second, results.service, results.naive
    a_core = results.null_service.per_worker_core
    return [
        ("(a) forward pass of both models, in process", _rate(forward), "", ""),
        ("(b) the same through Triton", _rate(triton), _ratio(triton / forward, "(a)"), ""),
        (
            "(c) the service, Kafka to committed row",
            _rate(service.per_second),
            _ratio(service.per_second / forward, "(a)"),
            _verdict(service.per_second / forward >= 0.85, "≥ 0.85 × (a)"),
        ),
        (
            "(e) one message, one insert at a time",
            _rate(naive),
            f"(c) is {_ratio(service.per_second / naive, '(e)')}",
            _verdict(service.per_second / naive >= 3.0, "(c) ≥ 3 × (e)"),
        ),
        (
            "(d) the service with a null model",
            f"{a_core:,.0f}/s a core",
            f"{1e6 / a_core:,.0f} µs each",
            _verdict(a_core >= 3_000, "≥ 3,000/s a core"),
        ),
    ]


def _latency(latency: Latency) -> _Row:
    return (
        f"publish → committed at {latency.per_second:.0f}/s",
        f"p50 {latency.p50 * 1e3:.0f} ms",
        f"p99 {latency.p99 * 1e3:.0f} ms",
        _verdict(latency.p50 <= 0.080 and latency.p99 <= 0.300, "≤ 80 and ≤ 300 ms"),
    )


def _memory(memory: Memory) -> _Row:
    return (
        "worker RSS, most",
        f"{memory.most / _MIB:.0f} MiB",
        f"{memory.growth:+.1%} over a second {memory.documents:,} documents",
        _verdict(memory.most <= 400e6 and memory.growth < 0.05, "≤ 400 MB, < 5 %"),
    )


def _stages(results: Results) -> list[str]:
    total = 1e6 / results.null_service.per_worker_core
    rest = total - sum(results.stage_micros.values())
    entries = {**results.stage_micros, "Kafka client, Faust, gRPC, logs, event loop (the rest)": rest}
    shown = [f"{micros:8.0f}  {name}" for name, micros in entries.items()]
    return ["µs of the worker's CPU a document, null model", *shown, f"{total:8.0f}  all of it"]


def _rate(value: float) -> str:
    return f"{value:,.0f}/s"


def _ratio(value: float, against: str) -> str:
    return f"{value:.2f} × {against}"


def _verdict(reached: bool, goal: str) -> str:
    return f"{'reached' if reached else 'MISSED'}: {goal}"


def _cpu(name: str, measured: Throughput) -> str:
    cpu = measured.cpu
    shares = (1e3 * seconds / measured.documents for seconds in (cpu.worker, cpu.postgres, cpu.kafka, cpu.triton))
    return f"{name:<36}" + "".join(f"{share:8.2f}" for share in shares)
