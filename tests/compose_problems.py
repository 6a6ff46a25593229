"""Everything that the files of a deployment name and that is not there: what an engine would find out late."""

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from click.testing import CliRunner

from stream_worker.cli import cli
from stream_worker.errors import ConfigurationError
from stream_worker.local.triton_environment import REQUIREMENTS, TRITON
from stream_worker.settings import Settings, load_settings
from tests.compose_file import ROOT, SITE_PACKAGES, DeploymentFiles

#: Made by whoever deploys.
_MADE_ON_SITE = ("./deploy/gateway-keys",)
#: The setting of the port on which a service's health check asks.
_HEALTH_PORTS = {
    "worker": "worker_http_port",
    "monitor": "monitor_http_port",
    "feeds": "feeds_http_port",
    "gateway": "gateway_port",
    "dashboard": "dashboard_port",
}
#: Read by docker compose itself.
_OF_COMPOSE = {"COMPOSE_PROFILES"}


def problems(files: DeploymentFiles) -> list[str]:
    """A sentence for each; none where all is well."""
    # The other checks look into the images.
    return list(_targets(files)) or [problem for check in _CHECKS for problem in check(files)]


def ours(files: DeploymentFiles) -> Iterator[str]:
    """The services whose image runs `finsentry` or the dashboard."""
    for name, service in files.services.items():
        if service.get("build", {}).get("target") in ("service", "dashboard"):
            yield name


def _targets(files: DeploymentFiles) -> Iterator[str]:
    for name, service in files.services.items():
        build = service.get("build")
        if build and not ((ROOT / build["dockerfile"]).is_file() and build["target"] in files.stages):
            yield f"{name}: {build['dockerfile']} has no target {build['target']}"


def _commands(files: DeploymentFiles) -> Iterator[str]:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for name in ours(files):
        program, *arguments = files.entrypoint(name)
        if program in scripts:
            ran = CliRunner().invoke(cli, [*arguments, "--help"])
            if ran.exit_code:
                yield f"{name}: there is no command finsentry {' '.join(arguments)}: {ran.output}"
        elif [program, *arguments[:1]] != ["streamlit", "run"]:
            yield f"{name}: {program} is no program of the image"
        for argument in arguments:
            if argument.startswith("/opt/") and not (ROOT / argument.removeprefix(SITE_PACKAGES)).is_file():
                yield f"{name}: there is no {argument} in the image"


def _variables(files: DeploymentFiles) -> Iterator[str]:
    named = set(re.findall(r"FINSENTRY_[A-Z_]+", "".join(files.texts.values())))
    settings = {f"FINSENTRY_{field.upper()}" for field in Settings.model_fields}
    for variable in sorted(named - settings):
        yield f"{variable} is no setting"
    passed_on = {
        variable
        for name in ours(files)
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


def _settings(files: DeploymentFiles) -> Iterator[str]:
    for name in ours(files):
        variables = {key: str(value) for key, value in files.services[name].get("environment", {}).items() if value}
        with patch.dict(os.environ, variables, clear=True):
            try:
                settings = load_settings(use_stack=False)
            except ConfigurationError as error:
                yield f"{name}: {error}"
                continue
        for address in (
            settings.database_url and settings.database_url.get_secret_value(),
            settings.redis_url and settings.redis_url.get_secret_value(),
            settings.kafka_bootstrap and f"kafka://{settings.kafka_bootstrap}",
            settings.triton_url and f"triton://{settings.triton_url}",
        ):
            if address:
                yield from (f"{name}: {problem}" for problem in _address(files, address))


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
            return f"triton:{_option(server.get('command', []), '--grpc-port')}"
    return {"postgresql": "postgres:5432", "redis": "redis:6379"}[scheme]


def _hosts(files: DeploymentFiles, name: str) -> list[str]:
    networks = files.services[name]["networks"]
    aliases = [alias for network in networks.values() for alias in network["aliases"]] if type(networks) is dict else []
    return [name, *aliases]


def _health(files: DeploymentFiles) -> Iterator[str]:
    for name, service in files.services.items():
        check = files.health_check(name)
        runs_on = service.get("restart") == "unless-stopped"
        if runs_on != bool(check):
            yield f"{name} {'lacks a health check' if runs_on else 'runs once and has a health check'}"
        for script in (word for word in check if word.startswith("/opt/check_")):
            mounted = f"./deploy/{Path(script).name}:{script}:ro" in service.get("volumes", [])
            if not mounted and not _in_image(files, service, script):
                yield f"{name}: its health check {script} is not in the container"
        if name in _HEALTH_PORTS and urlsplit(check[-1]).port != _port(_HEALTH_PORTS[name]):
            yield f"{name}: {check[-1]} is not where {_HEALTH_PORTS[name]} listens"
        if any("check_triton" in word for word in check):
            yield from _triton_check(name, service["command"], check)


def _triton_check(name: str, command: list[str], check: list[str]) -> Iterator[str]:
    server, *models = check[2:]
    address, port = _option(command, "--http-address"), _option(command, "--http-port")
    if server != f"http://{address}:{port}":
        yield f"{name}: {server} is not where its Triton listens"
    served = {path.parent.name for path in (ROOT / "triton_models/repository").glob("*/config.pbtxt")}
    if set(models) != served:
        yield f"{name}: its health check asks {models}, and {sorted(served)} are served"


def _in_image(files: DeploymentFiles, service: Mapping[str, Mapping[str, str]], script: str) -> bool:
    stages = files.lineage(service["build"]["target"]) if "build" in service else []
    return any(
        f"{destination.rstrip('/')}/{Path(source).name}" == script
        for stage in stages
        for source, destination in files.copied(stage)
    )


def _ports(files: DeploymentFiles) -> Iterator[str]:
    for name, service in files.services.items():
        for port in service.get("ports", []):
            address, _, inside = port.rpartition(":")
            if name not in ("gateway", "dashboard") or not address.startswith("127.0.0.1:"):
                yield f"{name} publishes {port}"
            elif int(inside) != _port(_HEALTH_PORTS[name]):
                yield f"{name} publishes {inside}, and {_HEALTH_PORTS[name]} is {_port(_HEALTH_PORTS[name])}"
            elif files.variables.get(f"{name.upper()}_PORT") != inside:
                yield f"{name} is published elsewhere than {name.upper()}_PORT says"


def _mounts(files: DeploymentFiles) -> Iterator[str]:
    for name, service in files.services.items():
        volumes = service.get("volumes", [])
        sources = [volume["source"] if type(volume) is dict else volume.partition(":")[0] for volume in volumes]
        for source in sources:
            if source.startswith(".") and source not in _MADE_ON_SITE and not (ROOT / source).exists():
                yield f"{name} mounts {source}, which does not exist"


def _copies(files: DeploymentFiles) -> Iterator[str]:
    sent = {line[1:] for line in files.texts[".dockerignore"].splitlines() if line.startswith("!")}
    for stage in files.stages.values():
        for source, _ in files.copied(stage):
            if not (ROOT / source).exists():
                yield f"{stage.name} copies {source}, which does not exist"
            if not sent & {source, *map(str, Path(source).parents)}:
                yield f"{stage.name} copies {source}, which .dockerignore keeps back"
        for origin in re.findall(r"--from=(\S+)", "\n".join(stage.values("COPY"))):
            if origin not in files.stages:
                yield f"{stage.name} copies from {origin}, which is no stage"


def _order(files: DeploymentFiles) -> Iterator[str]:
    for name, service in files.services.items():
        for other, how in service.get("depends_on", {}).items():
            if other not in files.services:
                yield f"{name} waits for {other}, which is no service"
                continue
            ends = not files.health_check(other)
            if how["condition"] != ("service_completed_successfully" if ends else "service_healthy"):
                yield f"{name} waits for {other} to be {how['condition']}, which it never is"


def _packages(files: DeploymentFiles) -> Iterator[str]:
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


def _images(files: DeploymentFiles) -> Iterator[str]:
    bases = [stage.base for stage in files.stages.values() if stage.base not in files.stages]
    for image in [*bases, *(service["image"] for service in files.services.values() if "build" not in service)]:
        if not re.search(r":\d+\.\d+", image):
            yield f"{image} is not pinned to a version"


def _option(command: Iterable[str], name: str) -> str:
    return next((word.partition("=")[2] for word in command if word.startswith(f"{name}=")), "")


def _port(field: str) -> int:
    port: int = Settings.model_fields[field].default
    return port


_CHECKS = (_commands, _variables, _settings, _health, _ports, _mounts, _copies, _order, _packages, _images)
