"""`finsentry up`: which servers and services there are, in which order they start, and who watches them."""

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stream_worker.local.home import own_home
from stream_worker.local.identity import ProcessIdentity
from stream_worker.local.kafka import Kafka
from stream_worker.local.kafka_mock import MockKafka
from stream_worker.local.ports import Ports, require_free
from stream_worker.local.postgres import Postgres
from stream_worker.local.redis import Redis
from stream_worker.local.server import Progress, Server
from stream_worker.local.servers import BACKENDS, start_all, stop_all
from stream_worker.local.services import (
    HTTP_PORTS,
    Service,
    command_service,
    dashboard_service,
    run_once,
    service_environment,
    service_url,
    wait_for_dashboard,
    wait_for_gateway,
)
from stream_worker.local.state import StackState, remove_state, write_state
from stream_worker.local.supervisor import Supervisor
from stream_worker.local.triton import Triton
from stream_worker.settings import ADDRESSES, TOPICS, Settings

_CHECK_SECONDS = 0.25
#: A service that ends within this time has failed to start.
_SETTLE_SECONDS = 3.0
#: Headlines a second that the generator makes for `--source generator`.
GENERATED_RATE = 5


@dataclass(frozen=True)
class Plan:
    """What `finsentry up` was asked for."""

    mock_kafka: bool = False
    source: str = "none"
    dashboard: bool = True
    services: bool = True


class Stack:
    """The embedded servers that no setting replaces, and the services over them."""

    def __init__(self, settings: Settings, plan: Plan, say: Progress) -> None:
        self._settings = settings
        self._plan = plan
        self._say = say
        self._home = settings.home.resolve()
        self._addresses: dict[str, str] = {}
        self._supervisor = Supervisor(time.monotonic, say, self._write_state)

    def run(self, on_up: Callable[[Mapping[str, str]], None]) -> None:
        """Start everything, call `on_up` with the addresses, and keep it running until SIGINT, SIGTERM or SIGHUP.

        Raises FinsentryError when something cannot be started. Nothing that was started outlives the call.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)
        with own_home(self._home):
            try:
                self._start_servers()
                if self._plan.services:
                    self._start_services()
                on_up(self._addresses)
                while True:
                    time.sleep(_CHECK_SECONDS)
                    self._supervisor.check()
            except KeyboardInterrupt:
                self._say("stopping")
            finally:
                # Nothing may interrupt the stopping; whoever is in a hurry has SIGKILL, which ends the children too.
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)
                self._supervisor.stop_all()
                remove_state(self._home)

    def _start_servers(self) -> None:
        servers = embedded_servers(self._settings, self._home, mock_kafka=self._plan.mock_kafka)
        for server in servers.values():
            for field, port in server.ports.items():
                require_free(port, field, server.title)
        for name in self._own_services():
            if port := getattr(self._settings, HTTP_PORTS[name]):
                require_free(port, HTTP_PORTS[name], f"the {name}")
        if self._plan.services and self._plan.dashboard:
            require_free(self._settings.dashboard_port, "dashboard_port", "the dashboard")
        started = list(servers.values())
        start_all(started, self._say)
        try:
            self._addresses = {name: _address(self._settings, servers, name) for name in ADDRESSES}
        except BaseException:
            stop_all(started)
            raise
        for server in started:
            self._supervisor.watch(server)

    def _start_services(self) -> None:
        environment = service_environment(self._home, self._addresses)
        for arguments in self._preparations():
            self._say(f"running `finsentry {' '.join(arguments)}`")
            run_once(arguments, self._home, environment)
        services = self._services(environment)
        for service in services:
            self._say(f"starting {service.title}")
            service.spawn()
            self._supervisor.watch(service)
        for service in services:
            if service.name == "gateway" and service.url is not None:
                wait_for_gateway(service, service.url)
            if service.name == "dashboard":
                wait_for_dashboard(service, self._settings.dashboard_port)
        _settle(services)

    def _preparations(self) -> Sequence[Sequence[str]]:
        # The mock cluster knows no request to make topics; it has made them by itself.
        return [["migrate"]] if self._plan.mock_kafka else [["migrate"], ["topics", "apply"]]

    def _own_services(self) -> Sequence[str]:
        if not self._plan.services:
            return []
        return ["worker", "monitor", "gateway", *(["feeds"] if self._settings.feeds else [])]

    def _services(self, environment: Mapping[str, str]) -> list[Service]:
        services = [
            command_service(name, [name], self._home, environment, url=service_url(name, self._settings))
            for name in self._own_services()
        ]
        if self._plan.dashboard:
            services.append(dashboard_service(self._settings.dashboard_port, self._home, environment))
        if self._plan.source != "none":
            generated = self._plan.source == "generator"
            arguments = ["--generate", "--rate", str(GENERATED_RATE)] if generated else [self._plan.source]
            services.append(
                command_service("source", ["replay", *arguments], self._home, environment, has_an_end=not generated)
            )
        return services

    def _write_state(self) -> None:
        write_state(
            self._home,
            StackState(self._addresses, ProcessIdentity.of(os.getpid()), self._supervisor.records()),
        )


def embedded_servers(settings: Settings, home: Path, *, mock_kafka: bool) -> dict[str, Server]:
    """The servers to start, by the name of the address that they provide: those whose address is not set."""
    ports = Ports.from_settings(settings)
    makers: dict[str, Callable[[], Server]] = {
        "database_url": lambda: Postgres(home, ports.postgres_port),
        "redis_url": lambda: Redis(home, ports.redis_port),
        "kafka_bootstrap": lambda: (
            MockKafka(home, [settings.topic(name) for name in TOPICS])
            if mock_kafka
            else Kafka(home, ports.kafka_port, ports.kafka_controller_port)
        ),
        "triton_url": lambda: Triton(
            home, ports.triton_port, ports.triton_metrics_port, settings.model_repository, BACKENDS
        ),
    }
    return {name: makers[name]() for name in ADDRESSES if getattr(settings, name) is None}


def _address(settings: Settings, servers: Mapping[str, Server], name: str) -> str:
    if name in servers:
        return servers[name].address
    value = getattr(settings, name)
    return str(value.get_secret_value() if hasattr(value, "get_secret_value") else value)


def _settle(services: Sequence[Service]) -> None:
    """Wait until the youngest has lived for a moment. Raises what explains the end of one that has ended."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < deadline:
        for service in services:
            code = service.process.exit_code()
            if code is not None and not (code == 0 and service.process.program.has_an_end):
                raise service.process.failure()
        time.sleep(_CHECK_SECONDS)
