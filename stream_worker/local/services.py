"""finsentry's own processes: the commands of this package, and the dashboard."""

import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stream_worker.errors import ServerFailed
from stream_worker.local.platform import require_package
from stream_worker.local.ports import LOOPBACK, require_free
from stream_worker.local.process import ChildProcess, Program
from stream_worker.settings import REPOSITORY_ROOT, Settings

#: A worker may take so long to finish its batches; it promises 30 s.
_WORKER_GRACE_SECONDS = 35.0
_ONCE_SECONDS = 120.0
_HTTP_SECONDS = 60.0

#: Services that answer /livez, /readyz and /metrics, and the setting that holds their port.
HTTP_PORTS = {
    "worker": "worker_http_port",
    "monitor": "monitor_http_port",
    "gateway": "gateway_port",
    "feeds": "feeds_http_port",
}


@dataclass
class Service:
    """A long-running process of ours; `url` is where it answers over HTTP, if it does."""

    name: str
    title: str
    process: ChildProcess
    restartable: bool = True
    url: str | None = None

    def spawn(self) -> None:
        """Start it without waiting."""
        self.process.spawn()

    def ailment(self) -> str | None:
        """Nothing is known that would tell."""
        return None

    def stop(self) -> None:
        """End it and wait for its end."""
        self.process.stop()


def service_environment(home: Path, addresses: Mapping[str, str]) -> dict[str, str]:
    """Our own environment, with the home and the four addresses in it, and without ONNX Runtime's telemetry."""
    ours = {f"FINSENTRY_{name.upper()}": address for name, address in addresses.items()}
    fixed = {"FINSENTRY_HOME": str(home), "PYTHONUNBUFFERED": "1", "ORT_DISABLE_TELEMETRY": "1"}
    return {**os.environ, **ours, **fixed}


def command_service(
    name: str,
    arguments: Sequence[str],
    home: Path,
    environment: Mapping[str, str],
    *,
    has_an_end: bool = False,
    url: str | None = None,
) -> Service:
    """`finsentry ARGUMENTS…` as a service."""
    command = [sys.executable, "-m", "stream_worker.cli", *arguments]
    program = Program(f"the {name}", command, environment, grace_seconds=_WORKER_GRACE_SECONDS, has_an_end=has_an_end)
    return Service(name, f"the {name}", ChildProcess(program, home / "logs" / f"{name}.log"), url=url)


def run_once(arguments: Sequence[str], home: Path, environment: Mapping[str, str]) -> None:
    """Run `finsentry ARGUMENTS…` to its end.

    Raises ServerFailed or ConfigurationError with its last words when it fails.
    """
    name = "-".join(arguments)
    program = Program(
        f"`finsentry {' '.join(arguments)}`", [sys.executable, "-m", "stream_worker.cli", *arguments], environment
    )
    process = ChildProcess(program, home / "logs" / f"{name}.log")
    process.spawn()
    try:
        code = process.wait(_ONCE_SECONDS)
    finally:
        process.kill()
    if code is None:
        raise ServerFailed(f"{program.name} took longer than {_ONCE_SECONDS:.0f} s (its log: {process.log}).")
    if code:
        raise process.failure()


def service_url(name: str, settings: Settings) -> str | None:
    """Where this machine reaches the service over HTTP; None where it has no port."""
    port: int = getattr(settings, HTTP_PORTS[name])
    host = settings.listen_address
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = LOOPBACK
    return f"http://{f'[{host}]' if ':' in host else host}:{port}" if port else None


def dashboard_url(port: int) -> str:
    """Where the dashboard is looked at."""
    return f"http://{LOOPBACK}:{port}"


def dashboard_service(port: int, home: Path, environment: Mapping[str, str]) -> Service:
    """Streamlit on loopback. Raises MissingProgramError, or ConfigurationError when the port is taken."""
    require_package("streamlit", "streamlit")
    require_free(port, "dashboard_port", "the dashboard")
    options = {
        "server.headless": "true",
        "server.address": LOOPBACK,
        "server.port": str(port),
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
    }
    page = REPOSITORY_ROOT / "dashboard" / "app.py"
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(page),
        *(f"--{name}={value}" for name, value in options.items()),
    ]
    return Service(
        "dashboard",
        "the dashboard",
        ChildProcess(Program("the dashboard", command, environment), home / "logs" / "dashboard.log"),
        url=dashboard_url(port),
    )


def wait_for_dashboard(service: Service, port: int) -> None:
    """Wait until it answers. Raises ServerFailed when it dies or takes too long."""
    _wait_for(service, f"{dashboard_url(port)}/_stcore/health")


def wait_for_gateway(service: Service, url: str) -> None:
    """Wait until the gateway at this address takes documents. Raises ServerFailed when it dies or takes too long."""
    _wait_for(service, f"{url}/readyz")


def _wait_for(service: Service, url: str) -> None:
    deadline = time.monotonic() + _HTTP_SECONDS
    while not _healthy(url):
        if not service.process.running():
            raise service.process.failure()
        if time.monotonic() > deadline:
            raise ServerFailed(
                f"{service.title.capitalize()} did not answer within {_HTTP_SECONDS:.0f} s (its log: "
                f"{service.process.log})."
            )
        time.sleep(0.1)


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1.0) as response:  # noqa: S310 - our own http address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
