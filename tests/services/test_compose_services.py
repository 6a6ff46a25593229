"""What docker-compose.yml starts, started without an engine: its commands, environments and health checks, on loopback.

Translated are addresses, ports and the places of files; everything else is what stands in the files.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from stream_worker.ingest.gateway.keys import Scope, new_key
from stream_worker.ingest.topics import apply_topics
from stream_worker.local.ports import LOOPBACK, free_port
from stream_worker.local.triton import Triton
from stream_worker.settings import ADDRESSES, Settings
from stream_worker.storage.engine import create_engine
from stream_worker.storage.migrate import upgrade
from tests.compose_file import ROOT, SITE_PACKAGES, DeploymentFiles

FILES = DeploymentFiles.read()
FEEDS = '[[feeds]]\nname = "none"\nurl = "https://feeds.invalid/rss"\nsource = "none"\n'
#: The setting of the port on which each is asked how it is.
SERVICES = {
    "worker": "worker_http_port",
    "monitor": "monitor_http_port",
    "gateway": "gateway_port",
    "feeds": "feeds_http_port",
    "dashboard": "dashboard_port",
}


@pytest.fixture
async def ready_settings(settings: Settings) -> Settings:
    """With the schema and the topics."""
    engine = create_engine(settings.require_database_url(), pool_size=1)
    await upgrade(engine)
    await engine.dispose()
    await apply_topics(settings)
    return settings


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_starts_as_the_files_say_and_its_health_check_answers(
    service: str, ready_settings: Settings, tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "log"
    check = health_check(service, port)
    assert (await run(check))[0] == 1
    variables = environment(service, ready_settings, tmp_path, port)
    async with started(program(service), log, **variables) as process:
        await until_healthy(check, process, log)
    assert process.returncode in (0, -signal.SIGTERM), log.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces of processes")
async def test_a_triton_that_lost_a_model_is_ended_by_its_health_check(
    triton: Triton, model_repository: Path, tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "log"
    check = health_check("triton-cpu", port)
    served = container(triton_command(triton, model_repository, port))
    async with started(served, log, **(triton.program().environment or {})) as process:
        await until_healthy(check, process, log)
        (init,) = psutil.Process(process.pid).children()
        inside = ["nsenter", f"--target={init.pid}", "--pid", "--mount", *check]
        assert await run(inside) == (0, "")
        (stub,) = (child for child in init.children(recursive=True) if "/sentiment/" in " ".join(child.cmdline()))
        stub.kill()
        # It may end together with what it ends.
        code, said = await run(inside)
        assert code
        assert "the model sentiment is lost" in said
        await asyncio.wait_for(process.wait(), 10)


async def run(command: list[str], **environment: str) -> tuple[int, str]:
    """To its end: exit code, and what it said."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=_bare() | environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


@asynccontextmanager
async def started(command: list[str], log: Path, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Stopped at the end, by SIGKILL where SIGTERM is not enough."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, env=_bare() | environment, cwd=log.parent, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), 30)
            except TimeoutError:
                process.kill()
                await process.wait()


def program(service: str) -> list[str]:
    """ENTRYPOINT and command, with the programs of this environment and the code of this repository."""
    programs = {"finsentry": ["-m", "stream_worker.cli"], "streamlit": ["-m", "streamlit"]}
    name, *arguments = FILES.entrypoint(service)
    return [sys.executable, *programs[name], *(word.replace(SITE_PACKAGES, f"{ROOT}/") for word in arguments)]


def environment(service: str, settings: Settings, tmp_path: Path, port: int) -> dict[str, str]:
    """The container's environment, translated."""
    keys, feeds = tmp_path / "gateway-keys", tmp_path / "feeds.toml"
    keys.write_text(new_key("wire", [Scope.WRITE])[1].line)
    feeds.write_text(FEEDS)
    found: dict[str, Any] = FILES.services[service]["environment"]
    values: dict[str, Any] = {name: value for name, value in found.items() if value is not None}
    real = {f"FINSENTRY_{name.upper()}": getattr(settings, name) for name in ADDRESSES}
    for name in values.keys() & real.keys():
        secret = real[name]
        values[name] = secret if isinstance(secret, str) else secret.get_secret_value()
    places = {
        "FINSENTRY_MODEL_REPOSITORY": settings.model_repository,
        "FINSENTRY_GATEWAY_KEYS": keys,
        "FINSENTRY_FEEDS": feeds,
        "FINSENTRY_LISTEN_ADDRESS": LOOPBACK,
    }
    values |= {name: place for name, place in places.items() if name in values}
    values[f"FINSENTRY_{SERVICES[service].upper()}"] = port
    if service == "dashboard":
        values |= {"STREAMLIT_SERVER_ADDRESS": LOOPBACK, "STREAMLIT_SERVER_PORT": port}
    values["FINSENTRY_TOPIC_PREFIX"] = settings.topic_prefix
    values["FINSENTRY_CONSUMER_GROUP"] = settings.consumer_group
    return {name: str(value) for name, value in values.items()}


def health_check(service: str, port: int) -> list[str]:
    """With the Python of this environment, the script of the repository, and this port."""
    _, script, url, *rest = FILES.health_check(service)
    there = urlsplit(url)._replace(netloc=f"{LOOPBACK}:{port}").geturl()
    return [sys.executable, "-I", str(ROOT / "deploy" / Path(script).name), there, *rest]


async def until_healthy(check: list[str], process: asyncio.subprocess.Process, log: Path) -> None:
    """Until the check succeeds. The failure shows what it said, and the log."""
    said = ""
    try:
        async with asyncio.timeout(60):
            while True:
                code, said = await run(check)
                if not code:
                    return
                assert process.returncode is None, log.read_text()[-3000:]
    except TimeoutError:
        pytest.fail(f"{said}\n{log.read_text()[-3000:]}")


def container(command: list[str]) -> list[str]:
    """The command as a child of the first process of a namespace, with shared memory of its own."""
    first = 'mount -t tmpfs shm /dev/shm; "$@" & wait'
    return ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", first, "sh", *command]


def triton_command(triton: Triton, model_repository: Path, port: int) -> list[str]:
    """As in the container, with the program and the folders of the embedded Triton, and free ports."""
    ours = {option.partition("=")[0]: option for option in triton.program().command[1:]}
    translated = {
        **{name: ours[name] for name in ("--backend-directory", "--cache-directory")},
        "--model-repository": f"--model-repository={model_repository}",
        "--grpc-port": f"--grpc-port={free_port()}",
        "--metrics-port": f"--metrics-port={free_port()}",
        "--http-port": f"--http-port={port}",
    }
    options = FILES.entrypoint("triton-cpu")[1:]
    return [
        triton.program().command[0],
        f"--grpc-address={LOOPBACK}",
        ours["--metrics-address"],
        *(translated.get(option.partition("=")[0], option) for option in options),
    ]


def _bare() -> dict[str, str]:
    """What a container has by itself: programs, and the code."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
