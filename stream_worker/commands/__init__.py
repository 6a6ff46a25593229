"""The subcommands of `finsentry`, a module for each group."""

import click

from stream_worker.commands.stack import down, status, up

#: In the order of `finsentry --help`.
COMMANDS: tuple[click.Command, ...] = (up, down, status)
