"""The command line as a whole."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from stream_worker.cli import cli
from stream_worker.commands import COMMANDS, LazyCommand

_LISTED = [command for command in COMMANDS if not command.hidden]
#: Each takes a tenth of a second and more to import, before a person sees a word.
_HEAVY_MODULES = ("faust", "aiokafka", "sqlalchemy", "tritonclient", "numpy", "pydantic", "onnxruntime")


def test_the_list_of_commands_is_there_at_once() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from stream_worker.cli import cli\n"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0\n"
        f"print([name for name in {_HEAVY_MODULES} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", _LISTED, ids=lambda command: str(command.name))
def test_every_command_can_be_loaded_and_has_help(command: LazyCommand) -> None:
    assert command.command.name == command.name
    shown = CliRunner().invoke(cli, [str(command.name), "--help"])
    assert shown.exit_code == 0, shown.output
    assert command.command.help
    assert command.command.help.split("\n")[0][:40] in shown.output.replace("\n  ", " ")


def test_a_command_whose_module_does_not_exist_is_not_listed() -> None:
    assert LazyCommand("tomorrow", "no_such_module", "Not written yet.").hidden
    assert not LazyCommand("up", "stack", "Start.").hidden


@pytest.mark.parametrize("command", [["show", "--document-id", "x"], ["dead-letters", "list"], ["migrate"]])
def test_a_server_that_is_away_is_one_sentence(command: list[str]) -> None:
    nowhere = {"FINSENTRY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    done = subprocess.run(
        [sys.executable, "-m", "stream_worker.cli", *command], env=os.environ | nowhere, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("finsentry: ")
    assert "127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_service_that_swallows_its_cancellation_ends_all_the_same() -> None:
    code = """
import asyncio, os, signal
from stream_worker.commands import service

async def deaf():
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(60)

service.CANCEL_AGAIN_SECONDS = 0.05
service.run_until_signal(deaf())
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)
