"""What the files of a deployment say of containers, and does not fit: targets, files, ports, health checks, order."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stream_worker.settings import Settings
from tests.compose_file import ROOT, DeploymentFiles, option

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


def targets(files: DeploymentFiles) -> Iterator[str]:
    """Images that the Dockerfile does not make."""
    for name, service in files.services.items():
        build = service.get("build")
        if build and not ((ROOT / build["dockerfile"]).is_file() and build["target"] in files.stages):
            yield f"{name}: {build['dockerfile']} has no target {build['target']}"


def health(files: DeploymentFiles) -> Iterator[str]:
    """Services without a health check, and checks that ask where nobody answers."""
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


def ports(files: DeploymentFiles) -> Iterator[str]:
    """Ports published to others than this machine, or not those of the settings."""
    for name, service in files.services.items():
        for port in service.get("ports", []):
            address, _, inside = port.rpartition(":")
            if name not in ("gateway", "dashboard") or not address.startswith("127.0.0.1:"):
                yield f"{name} publishes {port}"
            elif int(inside) != _port(_HEALTH_PORTS[name]):
                yield f"{name} publishes {inside}, and {_HEALTH_PORTS[name]} is {_port(_HEALTH_PORTS[name])}"
            elif files.variables.get(f"{name.upper()}_PORT") != inside:
                yield f"{name} is published elsewhere than {name.upper()}_PORT says"


def mounts(files: DeploymentFiles) -> Iterator[str]:
    """Files that are mounted and do not exist."""
    for name, service in files.services.items():
        volumes = service.get("volumes", [])
        sources = [volume["source"] if type(volume) is dict else volume.partition(":")[0] for volume in volumes]
        for source in sources:
            if source.startswith(".") and source not in _MADE_ON_SITE and not (ROOT / source).exists():
                yield f"{name} mounts {source}, which does not exist"


def places(files: DeploymentFiles) -> Iterator[str]:
    """Paths in commands and environments at which nothing is mounted."""
    for name, service in files.services.items():
        mounted = [_target(volume) for volume in service.get("volumes", [])]
        named = [*service.get("command", []), *map(str, service.get("environment", {}).values())]
        for place in re.findall(r"^(?:--[\w-]+=)?(/\S+)$", "\n".join(named), re.MULTILINE):
            if not any(place == target or place.startswith(f"{target}/") for target in mounted):
                yield f"{name}: nothing is mounted at {place}"


def copies(files: DeploymentFiles) -> Iterator[str]:
    """What is copied into an image from nowhere."""
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


def order(files: DeploymentFiles) -> Iterator[str]:
    """Services that wait for what never comes."""
    for name, service in files.services.items():
        for other, how in service.get("depends_on", {}).items():
            if other not in files.services:
                yield f"{name} waits for {other}, which is no service"
                continue
            ends = not files.health_check(other)
            if how["condition"] != ("service_completed_successfully" if ends else "service_healthy"):
                yield f"{name} waits for {other} to be {how['condition']}, which it never is"


def images(files: DeploymentFiles) -> Iterator[str]:
    """Images whose version is left open."""
    bases = [stage.base for stage in files.stages.values() if stage.base not in files.stages]
    for image in [*bases, *(service["image"] for service in files.services.values() if "build" not in service)]:
        if not re.search(r":\d+\.\d+", image):
            yield f"{image} is not pinned to a version"


def _triton_check(name: str, command: list[str], check: list[str]) -> Iterator[str]:
    server, *models = check[2:]
    address, port = option(command, "--http-address"), option(command, "--http-port")
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


def _target(volume: Any) -> str:
    target: str = volume["target"] if type(volume) is dict else volume.split(":")[1]
    return target


def _port(field: str) -> int:
    port: int = Settings.model_fields[field].default
    return port
