"""Alembic, without its command line."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.errors import ConfigurationError


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def head_revision() -> str:
    """The newest schema revision that this code knows."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


async def upgrade(engine: AsyncEngine, revision: str = "head") -> str:
    """Bring the database to a revision, in one transaction; safe to run twice, or twice at once. Returns the newest."""
    config = _config()

    def run(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('finsentry.migrate'))")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async with engine.begin() as connection:
        await connection.run_sync(run)
    return head_revision()


async def current_revision(engine: AsyncEngine) -> str | None:
    """The schema revision that the database is at; None before the first migration."""
    async with engine.connect() as connection:
        return await connection.run_sync(lambda c: MigrationContext.configure(c).get_current_revision())


async def require_current(engine: AsyncEngine) -> None:
    """Raises ConfigurationError where the database is not at the newest revision."""
    current = await current_revision(engine)
    if current != head_revision():
        raise ConfigurationError(
            f"The database is at schema revision {current or 'none'}, this program needs {head_revision()}: "
            "run `finsentry migrate`."
        )
