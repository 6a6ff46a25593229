"""`finsentry gateway` and `finsentry gateway-key`: the HTTP way in."""

import click

from stream_worker.settings import load_settings


@click.command()
def gateway() -> None:
    """Take documents over HTTP: POST /v1/documents on FINSENTRY_LISTEN_ADDRESS, port FINSENTRY_GATEWAY_PORT.

    Answers when Kafka has acknowledged. Without API keys (FINSENTRY_GATEWAY_KEYS) it listens on loopback only. Runs
    until SIGTERM or Ctrl-C and finishes the requests in flight, within 30 s.
    """
    settings = load_settings()
    import uvloop

    from stream_worker.ingest.gateway.server import run_gateway
    from stream_worker.logs import configure_logging

    configure_logging(settings)
    uvloop.run(run_gateway(settings))


@click.command("gateway-key")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    default=["documents:write"],
    show_default=True,
    help="What the key allows; may be given more than once.",
)
def gateway_key(name: str, scopes: tuple[str, ...]) -> None:
    """Make an API key called NAME: the key itself on standard error, its line for the file on standard output.

    \b
        finsentry gateway-key wire >> keys
        FINSENTRY_GATEWAY_KEYS=keys finsentry gateway

    The line holds only the key's SHA-256. Deleting it and starting the gateway again revokes the key.
    """
    from stream_worker.ingest.gateway.keys import Scope, new_key

    unknown = [scope for scope in scopes if scope not in list(Scope)]
    if unknown:
        raise click.BadParameter(f"{unknown[0]} is not one of {', '.join(Scope)}.", param_hint="--scope")
    secret, key = new_key(name, map(Scope, scopes))
    click.echo(f"The key, shown this once: {secret}", err=True)
    click.echo(key.line)
