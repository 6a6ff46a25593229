"""`finsentry up` and `down`: the embedded stack."""

import time
from collections.abc import Mapping
from pathlib import Path

import click
import orjson

from stream_worker.errors import ConfigurationError
from stream_worker.local.home import end_supervisor
from stream_worker.local.services import dashboard_url, service_url
from stream_worker.local.stack import Plan, Stack
from stream_worker.masking import masked
from stream_worker.settings import Settings, load_settings

_TITLES = {"database_url": "Postgres", "redis_url": "Redis", "kafka_bootstrap": "Kafka", "triton_url": "Triton"}


@click.command()
@click.option(
    "--kafka",
    type=click.Choice(["embedded", "mock"]),
    default="embedded",
    show_default=True,
    help="embedded: Apache Kafka. mock: librdkafka's mock cluster, only for trying out: it forgets everything.",
)
@click.option(
    "--source",
    metavar="none|generator|FILE",
    default="none",
    show_default=True,
    help="What publishes documents: nothing, the generator of headlines, or a file (JSON Lines, .gz too).",
)
@click.option("--no-dashboard", is_flag=True, help="Do not start the dashboard.")
@click.option("--servers-only", is_flag=True, help="Start the servers, and no process of finsentry's own.")
@click.option("--json", "as_json", is_flag=True, help="Print the addresses as one line of JSON when everything is up.")
def up(kafka: str, source: str, no_dashboard: bool, servers_only: bool, as_json: bool) -> None:
    """Start PostgreSQL, Redis, Kafka, Triton and finsentry itself, and keep them running until Ctrl-C.

    Everything listens on 127.0.0.1 only; data and logs stay in FINSENTRY_HOME (.finsentry). A server whose address is
    set (FINSENTRY_DATABASE_URL, _REDIS_URL, _KAFKA_BOOTSTRAP, _TRITON_URL) is used instead of starting one.
    """
    settings = load_settings(use_stack=False)
    if source not in ("none", "generator") and not Path(source).is_file():
        raise ConfigurationError(f"There is no file {source} to replay: --source takes none, generator or a file.")
    plan = Plan(kafka == "mock", source, dashboard=not no_dashboard, services=not servers_only)
    began = time.monotonic()

    def on_up(addresses: Mapping[str, str]) -> None:
        if as_json:
            click.echo(orjson.dumps(dict(addresses)))
        else:
            _print_addresses(settings, plan, addresses, time.monotonic() - began)

    if plan.mock_kafka:
        _say("Kafka is librdkafka's mock cluster: for trying out only, everything in it is lost when it ends")
    Stack(settings, plan, _say).run(on_up)


@click.command()
def down() -> None:
    """Stop what `finsentry up` started in FINSENTRY_HOME, also after it was killed. The data stay."""
    settings = load_settings(use_stack=False)
    click.echo("Stopped." if end_supervisor(settings.home) else f"Nothing was running in {settings.home}.")


def _say(sentence: str) -> None:
    click.echo(f"· {sentence}", err=True)


def _print_addresses(settings: Settings, plan: Plan, addresses: Mapping[str, str], seconds: float) -> None:
    click.echo(f"\nfinsentry is up after {seconds:.0f} s. Ctrl-C stops it; data stays in {settings.home}.")
    if plan.services:
        click.echo(f"  {'gateway':<10} {service_url('gateway', settings)}/v1/documents")
    if plan.services and plan.dashboard:
        click.echo(f"  {'dashboard':<10} {dashboard_url(settings.dashboard_port)}")
    for name, address in addresses.items():
        click.echo(f"  {_TITLES[name]:<10} {masked(address) if '://' in address else address}")
