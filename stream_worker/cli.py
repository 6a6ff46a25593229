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
    """Run the command line; errors raised on purpose become one sentence and a non-zero exit."""
    try:
        cli()
    except FinsentryError as error:
        click.echo(f"finsentry: {error}", err=True)
        sys.exit(EXIT_CONFIGURATION if isinstance(error, ConfigurationError) else 1)


if __name__ == "__main__":
    main()
