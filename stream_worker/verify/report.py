"""What a verification found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

#: So many violations of each check are shown; all are counted.
EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class Violations:
    """How many rows break a promise, and the first of them as column → value."""

    count: int
    examples: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Partition:
    """Kafka's offsets of one partition of what the workers read.

    `committed` was read before the snapshot of Postgres (None: the group has committed nothing), `end` after it;
    `earliest` is the first offset that the broker still holds.
    """

    topic: str
    partition: int
    earliest: int
    committed: int | None
    end: int

    @property
    def lag(self) -> int:
        """Offsets that the broker holds and the group has not committed."""
        return self.end - max(self.earliest, self.committed or 0)

    @property
    def span(self) -> range:
        """Offsets that must be accounted for: committed, and still on the broker."""
        return range(self.earliest, max(self.earliest, min(self.committed or 0, self.end)))


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: what it promises, and what breaks the promise (None: it was not asked for)."""

    name: str
    promise: str
    violations: Violations | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything found in one snapshot."""

    taken_at: datetime
    counts: Mapping[str, int]
    partitions: Sequence[Partition]
    checks: Sequence[CheckResult]

    @property
    def holds(self) -> bool:
        """Whether no check found a violation."""
        return not any(check.violations and check.violations.count for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """The same as plain values; bytes stand as hex."""
        return {
            "holds": self.holds,
            "taken_at": self.taken_at.isoformat(),
            "counts": dict(self.counts),
            "partitions": [
                {
                    "topic": p.topic,
                    "partition": p.partition,
                    "earliest": p.earliest,
                    "committed": p.committed,
                    "end": p.end,
                    "lag": p.lag,
                }
                for p in self.partitions
            ],
            "checks": [_check_as_json(check) for check in self.checks],
        }


def plain(value: object) -> Any:
    """A column's value as JSON and people can read it."""
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def _check_as_json(check: CheckResult) -> dict[str, Any]:
    found = check.violations
    return {
        "name": check.name,
        "promise": check.promise,
        "violations": None if found is None else found.count,
        "examples": [
            {name: plain(value) for name, value in row.items()} for row in (found.examples if found is not None else ())
        ],
        "seconds": round(check.seconds, 3),
    }
