"""The migrations and the tables that the code knows are two descriptions of one schema."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.storage.schema import metadata


async def test_the_migrations_make_the_tables_that_the_code_knows(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_the_migrations_make_the_checks_that_the_code_knows(engine: AsyncEngine) -> None:
    checks = "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c'"
    async with engine.connect() as connection:
        migrated = {tuple(row) for row in await connection.execute(text(checks))}
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
        await connection.run_sync(metadata.create_all)
        assert {tuple(row) for row in await connection.execute(text(checks))} == migrated
