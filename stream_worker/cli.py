"""The command `finsentry`."""

import sys

import click

from stream_worker.commands import COMMANDS
from stream_worker.errors import ConfigurationError, FinsentryError

#: sysexits.h EX_CONFIG: a supervisor need not start this again before a person has changed something.
EXIT_CONFIGURATION = 78


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="finsentry")
def cli() -> None:
    """Streaming sentiment monitoring for financial news and comments.

    Settings come from the environment (FINSENTRY_…); `finsentry check-config` prints what holds.
    """


for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Run the command line; errors raised on purpose, and those of servers, become one sentence and a non-zero exit."""
    try:
        cli()
    except FinsentryError as error:
        click.echo(f"finsentry: {error}", err=True)
        sys.exit(EXIT_CONFIGURATION if isinstance(error, ConfigurationError) else 1)
    except _server_errors() as error:
        said = " ".join(str(getattr(error, "orig", error)).split()) or type(error).__name__
        click.echo(
            f"finsentry: a server did not do what was asked: {said}. `finsentry status` says which answer.", err=True
        )
        sys.exit(1)


def _server_errors() -> tuple[type[Exception], ...]:
    """Asked for only when something was raised: importing the clients takes its time."""
    from aiokafka.errors import KafkaError
    from asyncpg import InterfaceError, PostgresError
    from redis.exceptions import RedisError
    from sqlalchemy.exc import SQLAlchemyError

    return OSError, TimeoutError, KafkaError, InterfaceError, PostgresError, RedisError, SQLAlchemyError


if __name__ == "__main__":
    main()
