"""`finsentry status`: how everything is."""

import asyncio
import logging
import sys
import time
from contextlib import suppress

import click
import orjson
from rich.console import Console
from rich.live import Live

from stream_worker.settings import Settings, load_settings
from stream_worker.status.findings import Status
from stream_worker.status.judgement import problems
from stream_worker.status.questions import ask_everybody
from stream_worker.status.screen import WIDTH, screen


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Everything found as JSON, passwords masked.")
@click.option(
    "--watch", "seconds", type=click.FloatRange(min=0.2), metavar="SECONDS", help="Look again every so often."
)
def status(as_json: bool, seconds: float | None) -> None:
    """Show servers, processes, documents lately and what is wrong, on one screen.

    Looks at the embedded stack in FINSENTRY_HOME, or at the servers that FINSENTRY_DATABASE_URL, _REDIS_URL,
    _KAFKA_BOOTSTRAP and _TRITON_URL name. Exits 1 when something is wrong.
    """
    settings = load_settings()
    # What clients would log about servers that are away is said on the screen.
    for name in ("aiokafka", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if seconds is not None:
        _watch(settings, seconds)
        return
    found, wrong = _look(settings)
    if as_json:
        click.echo(orjson.dumps({"ok": not wrong, "problems": wrong, **found.as_json()}, option=orjson.OPT_INDENT_2))
    else:
        _console().print(screen(found, wrong))
    sys.exit(1 if wrong else 0)


def _look(settings: Settings) -> tuple[Status, list[str]]:
    found = asyncio.run(ask_everybody(settings))
    return found, problems(found, settings.clock)


def _watch(settings: Settings, seconds: float) -> None:
    """Until Ctrl-C."""
    with suppress(KeyboardInterrupt), Live(console=_console(), screen=True, auto_refresh=False) as live:
        while True:
            live.update(screen(*_look(settings)), refresh=True)
            time.sleep(seconds)


def _console() -> Console:
    """Colours on a terminal only, and never wider than a person reads."""
    console = Console(highlight=False)
    return Console(highlight=False, width=min(console.width, WIDTH) if console.is_terminal else WIDTH)
