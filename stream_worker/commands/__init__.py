"""The subcommands of `finsentry`, a module for each group; a module is imported when its command is used."""

import importlib
import importlib.util
from typing import Any

import click


class LazyCommand(click.Command):
    """Stands in for a command until it is used, so that `finsentry --help` need not import Faust or Kafka.

    `help` is what the list of commands says. A command whose module does not exist is not listed.
    """

    def __init__(self, name: str, module: str, help: str) -> None:  # noqa: A002 - click's own name
        self._module = f"{__name__}.{module}"
        super().__init__(name, help=help, hidden=importlib.util.find_spec(self._module) is None)

    @property
    def command(self) -> click.Command:
        """The command itself. Raises ImportError where it cannot be loaded."""
        assert self.name is not None
        command = getattr(importlib.import_module(self._module), self.name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of the command itself: from here on click deals with that one."""
        return self.command.make_context(info_name, args, parent, **extra)


#: In the order of `finsentry --help` (which sorts them); each is the function of that name in the module.
COMMANDS: tuple[LazyCommand, ...] = (
    LazyCommand("up", "stack", "Start PostgreSQL, Redis, Kafka, Triton and finsentry itself."),
    LazyCommand("down", "stack", "Stop what `finsentry up` started."),
    LazyCommand("status", "status", "Show how everything is, and what is wrong."),
    LazyCommand("doctor", "doctor", "Send a marked document and watch it come out."),
    LazyCommand("check-config", "check_config", "Print every setting and where it comes from."),
    LazyCommand("migrate", "service", "Bring the database to the schema of this version."),
    LazyCommand("topics", "topics", "Make or list the Kafka topics."),
    LazyCommand("worker", "service", "Score documents from Kafka until stopped."),
    LazyCommand("monitor", "service", "Keep windows and the live state up to date until stopped."),
    LazyCommand("gateway", "gateway", "Take documents over HTTP until stopped."),
    LazyCommand("gateway-key", "gateway", "Make an API key for the gateway."),
    LazyCommand("feeds", "feeds", "Publish the entries of RSS and Atom feeds as documents until stopped."),
    LazyCommand("replay", "replay", "Publish a file's lines, or generated headlines, as documents."),
    LazyCommand("score", "service", "Score lines of JSON from standard input, without any server."),
    LazyCommand("show", "documents", "Print all that is stored of one document."),
    LazyCommand("erase", "documents", "Remove the text of one document for good."),
    LazyCommand("dead-letters", "dead_letters", "List or replay messages that could not become documents."),
    LazyCommand("instruments", "instruments", "Import, export, change and find what can be watched."),
    LazyCommand("verify", "verify", "Prove that nothing was lost and nothing counted twice."),
)
