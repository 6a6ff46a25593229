"""`finsentry verify`: is anything lost, or counted twice?"""

import asyncio
import logging
import sys

import click
import orjson

from stream_worker.commands.printable import printable
from stream_worker.settings import load_settings
from stream_worker.verify.report import CheckResult, Report, plain
from stream_worker.verify.verification import verify as verify_deployment


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Everything found, as JSON.")
@click.option("--bytes", "read_bytes", is_flag=True, help="Also read every message and compare it with its receipt.")
def verify(as_json: bool, read_bytes: bool) -> None:
    """Prove that no message was lost and none counted twice, from SQL and Kafka's offsets alone.

    Reads one snapshot and changes nothing, so that it may run beside the services. Prints counts and, for each check,
    OK or the number of violations and the first ten. Exits 1 where there is any.
    """
    settings = load_settings()
    # What aiokafka would log about servers that are away is said in one sentence.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    report = asyncio.run(verify_deployment(settings, read_bytes=read_bytes))
    if as_json:
        click.echo(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2))
    else:
        _print(report)
    sys.exit(0 if report.holds else 1)


def _print(report: Report) -> None:
    click.echo(f"Snapshot of {report.taken_at:%Y-%m-%d %H:%M:%S} UTC\n")
    for name, number in report.counts.items():
        click.echo(f"  {name.replace('_', ' '):<28}{number:>12,}")
    click.echo(f"\n  {'topic/partition':<34}{'earliest':>12}{'committed':>12}{'end':>12}{'lag':>12}")
    for p in report.partitions:
        committed = "none" if p.committed is None else f"{p.committed:,}"
        click.echo(f"  {f'{p.topic}/{p.partition}':<34}{p.earliest:>12,}{committed:>12}{p.end:>12,}{p.lag:>12,}")
    click.echo()
    for check in report.checks:
        _print_check(check)
    broken = sum(1 for check in report.checks if check.violations and check.violations.count)
    click.echo("\nEverything holds." if not broken else f"\n{broken} of {len(report.checks)} checks are violated.")


def _print_check(check: CheckResult) -> None:
    found = check.violations
    if found is None:
        click.echo(f"  not read    {check.name}: {check.promise} (--bytes)")
        return
    verdict = f"{found.count:,} WRONG" if found.count else "OK"
    click.echo(f"  {verdict:<11} {check.name}: {check.promise}")
    for row in found.examples:
        click.echo("              · " + " ".join(f"{name}={_shown(value)}" for name, value in row.items()))


def _shown(value: object) -> str:
    """Surfaces are other people's text."""
    return printable(orjson.dumps(plain(value)).decode())
