"""`finsentry doctor`: does a document come through?"""

import asyncio
import logging
import sys
from dataclasses import asdict

import click
import orjson

from stream_worker.doctor.journey import Journey, Step
from stream_worker.settings import load_settings


@click.command()
@click.option("--timeout", "timeout_seconds", default=30.0, show_default=True, help="Seconds that a step may take.")
@click.option("--json", "as_json", is_flag=True, help="The steps as JSON.")
def doctor(timeout_seconds: float, as_json: bool) -> None:
    """Send a marked document and watch it come out: Kafka, receipt, score, topic, window, live view.

    It is of the source finsentry-doctor, names nobody, and is taken back at the end. Each step is printed with its
    time; where one does not happen in time, with what that means and what to do. Exits 1 then.
    """
    settings = load_settings()
    # What clients would log about servers that are away is said by the step that fails.
    for name in ("aiokafka", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)

    async def run() -> list[Step]:
        steps = []
        async with Journey(settings, timeout_seconds) as journey:
            async for step in journey.steps():
                steps.append(step)
                if not as_json:
                    _print(step)
        return steps

    steps = asyncio.run(run())
    healthy = not steps[-1].problem
    if as_json:
        click.echo(orjson.dumps({"ok": healthy, "steps": [asdict(step) for step in steps]}, option=orjson.OPT_INDENT_2))
    elif healthy:
        click.echo(f"\nA document comes through, and out again: {sum(step.seconds for step in steps):.1f} s in all.")
    sys.exit(0 if healthy else 1)


def _print(step: Step) -> None:
    mark = click.style("✗", fg="red") if step.problem else click.style("✓", fg="green")
    seconds = f"{step.seconds * 1000:,.0f} ms" if step.seconds < 10 else f"{step.seconds:.0f} s"
    click.echo(f"{mark} {step.title:<36} {seconds:>9}   {step.detail}".rstrip())
    if step.problem:
        click.echo(f"\n{step.problem}")
