"""What the files of a deployment name of finsentry, and is not there: commands, settings, modules, extras."""

import importlib.util
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from click.testing import CliRunner

from stream_worker.cli import cli
from stream_worker.errors import ConfigurationError
from stream_worker.local.triton_environment import REQUIREMENTS, TRITON
from stream_worker.settings import Settings, load_settings
from tests.compose_file import ROOT, SITE_PACKAGES, DeploymentFiles, option

#: Read by docker compose itself.
_OF_COMPOSE = {"COMPOSE_PROFILES"}


def commands(files: DeploymentFiles) -> Iterator[str]:
    """Programs, subcommands, options and modules that there are not."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for name in files.ours:
        program, *arguments = files.entrypoint(name)
        if program in scripts:
            ran = CliRunner().invoke(cli, [*arguments, "--help"])
            if ran.exit_code:
                yield f"{name}: there is no command finsentry {' '.join(arguments)}: {ran.output}"
        elif (program, arguments[0]) == ("python", "-m"):
            if importlib.util.find_spec(arguments[1]) is None:
                yield f"{name}: there is no module {arguments[1]}"
        elif (program, arguments[0]) != ("streamlit", "run"):
            yield f"{name}: {program} is no program of the image"
        for argument in arguments:
            if argument.startswith("/opt/") and not (ROOT / argument.removeprefix(SITE_PACKAGES)).is_file():
                yield f"{name}: there is no {argument} in the image"


def variables(files: DeploymentFiles) -> Iterator[str]:
    """Variables that no setting has, that nobody reads, or that .env.example lacks; passwords with a default."""
    named = set(re.findall(r"FINSENTRY_[A-Z_]+", "".join(files.texts.values())))
    known = {f"FINSENTRY_{field.upper()}" for field in Settings.model_fields}
    for variable in sorted(named - known):
        yield f"{variable} is no setting"
    passed_on = {
        variable
        for name in files.ours
        for variable, value in files.services[name].get("environment", {}).items()
        if value is None
    }
    read = {*files.variables, *passed_on, *_OF_COMPOSE}
    for variable in sorted(files.examples.keys() - read):
        yield f".env.example has {variable}, which nothing reads"
    for variable in sorted(files.variables.keys() - files.examples.keys()):
        yield f".env.example lacks {variable}"
    for variable, default in files.variables.items():
        if default is not None and files.examples.get(variable, default) != default:
            yield f".env.example says that {variable} is {files.examples[variable]} by default, and it is {default}"
        if "PASSWORD" in variable and (default is not None or files.examples.get(variable)):
            yield f"{variable} has a default"


def settings(files: DeploymentFiles) -> Iterator[str]:
    """Values that do not hold, and addresses where nobody listens."""
    for name in files.ours:
        variables = {key: str(value) for key, value in files.services[name].get("environment", {}).items() if value}
        with patch.dict(os.environ, variables, clear=True):
            try:
                found = load_settings(use_stack=False)
            except ConfigurationError as error:
                yield f"{name}: {error}"
                continue
        for address in (
            found.database_url and found.database_url.get_secret_value(),
            found.redis_url and found.redis_url.get_secret_value(),
            found.kafka_bootstrap and f"kafka://{found.kafka_bootstrap}",
            found.triton_url and f"triton://{found.triton_url}",
        ):
            if address:
                yield from (f"{name}: {problem}" for problem in _address(files, address))


def packages(files: DeploymentFiles) -> Iterator[str]:
    """Extras that there are not, and another Triton than that of the embedded stack."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for stage in files.stages.values():
        for command in stage.values("RUN"):
            for names in re.findall(r"dependencies\.py((?: \w+)*) >", command):
                yield from (f"{stage.name}: there is no extra {name}" for name in names.split() if name not in extras)
            if "pytriton" in command:
                installed = {word.strip('"') for word in re.findall(r'"[^"]+"|nvidia-\S+', command)}
                wanted = {*REQUIREMENTS, TRITON}
                if installed != wanted:
                    yield f"{stage.name} installs {sorted(installed)}, and the embedded stack {sorted(wanted)}"


def _address(files: DeploymentFiles, address: str) -> Iterator[str]:
    parts = urlsplit(address)
    if not any(parts.hostname in _hosts(files, name) for name in files.services):
        yield f"no service is called {parts.hostname}"
        return
    for name, server in files.services.items():
        listens = _listens(parts.scheme, server)
        if parts.hostname in _hosts(files, name) and listens != parts.netloc.rpartition("@")[2]:
            yield f"{address} is not where {name} listens: {listens}"


def _listens(scheme: str, server: Mapping[str, Any]) -> str:
    """host:port of what is asked with such a scheme."""
    match scheme:
        case "kafka":
            return str(server.get("environment", {}).get("KAFKA_ADVERTISED_LISTENERS")).removeprefix("PLAINTEXT://")
        case "triton":
            return f"triton:{option(server.get('command', []), '--grpc-port')}"
    return {"postgresql": "postgres:5432", "redis": "redis:6379"}[scheme]


def _hosts(files: DeploymentFiles, name: str) -> list[str]:
    networks = files.services[name]["networks"]
    aliases = [alias for network in networks.values() for alias in network["aliases"]] if type(networks) is dict else []
    return [name, *aliases]
