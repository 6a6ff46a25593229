"""`finsentry status` as one screen for a person."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stream_worker.status.findings import Process, Status

WIDTH = 100
_OWN = ("worker", "monitor", "gateway", "feeds", "dashboard", "source")
_NOTHING = "–"
_MOST_REASONS = 3
_NAME_WIDTH, _CONDITION_WIDTH, _PID_WIDTH, _UPTIME_WIDTH = 9, 9, 7, 7


def screen(status: Status, problems: Sequence[str]) -> RenderableType:
    """What is wrong first, in words; then everything, aligned."""
    sections: list[RenderableType] = [_heading(status), _verdict(problems)]
    if status.is_nowhere:
        return Group(*sections)
    sections += [_section("SERVERS", _servers(status))]
    if rows := list(_processes(status.processes)):
        sections += [_section("PROCESSES", _grid(rows))]
    if status.activity is not None or status.lanes is not None:
        sections += [_section("DOCUMENTS", _lanes(status), _facts(_lately(status)))]
    sections += [_section("VERSIONS", _facts(_versions(status)))]
    return Group(*sections)


def _heading(status: Status) -> Text:
    where = {True: f"up in {status.home}", False: f"not up in {status.home}", None: "not started here"}[status.up]
    return Text.assemble(("finsentry", "bold"), f" {status.version} · {where} · {status.at:%Y-%m-%d %H:%M:%S} UTC")


def _verdict(problems: Sequence[str]) -> RenderableType:
    if not problems:
        return _below(Text("✓ Everything works.", "bold green"))
    title = "✗ Something is wrong." if len(problems) == 1 else f"✗ {len(problems)} things are wrong."
    table = Table.grid(padding=(0, 1))
    for number, problem in enumerate(problems, start=1):
        table.add_row(f"{number}.", problem)
    return _below(Text(title, "bold red"), _indented(table))


def _section(title: str, *content: RenderableType) -> RenderableType:
    return _below(Text(title, "bold"), *map(_indented, content))


def _below(*content: RenderableType) -> RenderableType:
    return Padding(Group(*content, fit=True), (1, 0, 0, 0), expand=False)


def _indented(content: RenderableType) -> RenderableType:
    return Padding(content, (0, 0, 0, 2), expand=False)


def _grid(rows: Sequence[Sequence[str | Text]]) -> Table:
    """Columns of servers and processes stand below each other."""
    table = _table()
    table.add_column("", min_width=_NAME_WIDTH)
    table.add_column("", min_width=_CONDITION_WIDTH)
    table.add_column("pid", min_width=_PID_WIDTH, justify="right")
    table.add_column("up", min_width=_UPTIME_WIDTH, justify="right")
    table.add_column("restarts", justify="right")
    table.add_column("")
    for row in rows:
        table.add_row(*row)
    return table


def _table() -> Table:
    return Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")


def _servers(status: Status) -> Table:
    rows = []
    for name, server in status.servers.items():
        answer = Text("answers", "green") if server.answers else Text("FAILS", "bold red")
        process = status.processes.get(name)
        rows.append([server.title, answer, *_running(process), server.address or "no address"])
    return _grid(rows)


def _processes(processes: Mapping[str, Process]) -> Iterator[Sequence[str | Text]]:
    for name in _OWN:
        if (process := processes.get(name)) is not None:
            yield [name, _condition(process), *_running(process)]


def _condition(process: Process) -> Text:
    if process.pid is None and process.condition not in ("", "finished"):
        return Text(process.condition.upper(), "bold red")
    health = process.health
    if health is None:
        return Text(process.condition)
    if not health.answers:
        return Text("NO ANSWER", "bold red")
    if not health.alive:
        return Text("STUCK", "bold red")
    if not health.ready:
        return Text(f"NOT READY: {', '.join(health.failing)}", "bold yellow")
    return Text("ready", "green")


def _running(process: Process | None) -> Sequence[str | Text]:
    if process is None or process.restarts is None:
        return ["", "", ""]
    restarts = Text(str(process.restarts), "yellow" if process.restarts else "")
    if process.pid is None or process.uptime_seconds is None:
        return ["", "", restarts]
    return [str(process.pid), str(timedelta(seconds=int(process.uptime_seconds))), restarts]


def _lanes(status: Status) -> Table:
    table = _table()
    for title in ("lane", "waiting", "a second", "p50", "p99", "workers"):
        table.add_column(title, justify="left" if title == "lane" else "right")
    activity = status.activity
    names = [
        *(status.lanes or {}),
        *(name for name in (activity.per_second if activity else {}) if name not in (status.lanes or {})),
    ]
    for name in names:
        backlog = (status.lanes or {}).get(name)
        latency = activity.latencies.get(name) if activity else None
        table.add_row(
            name,
            f"{backlog.waiting:,}" if backlog else _NOTHING,
            f"{activity.per_second.get(name, 0.0):.1f}" if activity else _NOTHING,
            _seconds(latency.p50_seconds) if latency else _NOTHING,
            _seconds(latency.p99_seconds) if latency else _NOTHING,
            str(backlog.readers) if backlog and backlog.readers is not None else _NOTHING,
        )
    return table


def _lately(status: Status) -> Iterator[tuple[str, str]]:
    activity = status.activity
    if activity is None:
        return
    yield "newest", _newest(activity.newest_published_at, activity.newest_received_at, activity.now)
    yield "dead letters", _counts(activity.dead_letters, "; `finsentry dead-letters list` shows them")
    yield "unscored", _counts(activity.unscored)
    pending = activity.pending
    oldest = f", the oldest for {pending.oldest_mark_seconds:.1f} s" if pending.marks else ""
    yield "monitor", f"{pending.marks:,} marks wait{oldest}; {pending.publications:,} live states to publish"
    if status.live_view_at is not None:
        yield "live view", f"as of {status.live_view_at:%Y-%m-%d %H:%M:%S} UTC"


def _versions(status: Status) -> Iterator[tuple[str, str]]:
    activity, schema = status.activity, status.schema
    yield "models", (activity.model_version if activity else None) or _NOTHING
    if schema is not None:
        yield (
            "schema",
            f"{schema.current or 'none'}" + (f" (needs {schema.needed})" * (schema.current != schema.needed)),
        )


def _facts(facts: Iterator[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 3, 0, 0))
    for name, value in facts:
        table.add_row(Text(name, "dim"), value)
    return table


def _newest(published_at: datetime | None, received_at: datetime | None, now: datetime) -> str:
    if published_at is None or received_at is None:
        return "none yet"
    return f"published {published_at:%Y-%m-%d %H:%M:%S} UTC, stored {_seconds((now - received_at).total_seconds())} ago"


def _counts(counts: Mapping[str, int], hint: str = "") -> str:
    if not counts:
        return "none in the last hour"
    reasons = list(counts) if len(counts) == 1 else [f"{count:,} {reason}" for reason, count in counts.items()]
    if len(reasons) > _MOST_REASONS:
        reasons[_MOST_REASONS:] = [f"{sum(list(counts.values())[_MOST_REASONS:]):,} for other reasons"]
    return f"{sum(counts.values()):,} in the last hour: {', '.join(reasons)}{hint}"


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else str(timedelta(seconds=int(seconds)))
