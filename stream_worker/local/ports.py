"""The ports of the embedded stack on 127.0.0.1."""

import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Self

from stream_worker.errors import ConfigurationError
from stream_worker.settings import Settings

LOOPBACK = "127.0.0.1"

#: Below the range from which Linux takes the ports of outgoing connections, so that none of these
#: slips in while a server is down for a moment.
_FREE_RANGE = range(20_000, 32_000)


@dataclass(frozen=True)
class Ports:
    """One port each, of the servers and then of our own services; the field names are those of the settings."""

    postgres_port: int
    redis_port: int
    kafka_port: int
    kafka_controller_port: int
    triton_port: int
    triton_metrics_port: int
    gateway_port: int
    worker_http_port: int
    monitor_http_port: int
    feeds_http_port: int

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The fixed ports of `finsentry up`."""
        return cls(*(getattr(settings, field.name) for field in fields(cls)))

    @classmethod
    def free(cls) -> Self:
        """Ports that nobody listens on now, for tests."""
        return cls(*(port for port, _ in zip(_free_ports(), fields(cls), strict=False)))


def free_port() -> int:
    """A port that nobody listens on now, for a test's own server."""
    return next(_free_ports())


def is_free(port: int) -> bool:
    """Whether a server could listen on the port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _free_ports() -> Iterator[int]:
    return (port for port in random.sample(_FREE_RANGE, len(_FREE_RANGE)) if is_free(port))


def require_free(port: int, field: str, purpose: str) -> None:
    """Raises ConfigurationError naming port and variable when the port is taken."""
    if not is_free(port):
        raise ConfigurationError(
            f"Port {port} for {purpose} is taken: end the program that listens there, or set "
            f"FINSENTRY_{field.upper()} to a free port."
        )
