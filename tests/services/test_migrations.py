"""The migrations and the tables that the code knows are two descriptions of one schema."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.domain.documents import body_start
from stream_worker.domain.relevance import prominence
from stream_worker.settings import Settings
from stream_worker.storage.engine import create_engine
from stream_worker.storage.migrate import upgrade
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


_OLD_ROWS = """
    INSERT INTO documents (document_id, content_digest, source, kind, title, body, published_at, received_at) VALUES
        ('article', '\\x00', 's', 'news', 'Apple 🍏', :body, now(), now()),
        ('tweet', '\\x00', 's', 'comment', NULL, :body, now(), now());
    INSERT INTO mentions (document_id, content_digest, span_start, span_end, surface, instrument_id, directory_version)
        SELECT document_id, '\\x00', start, start + 1, 'x', 'apple', 'd'
        FROM documents, unnest(CAST(:starts AS integer[])) AS start;
    INSERT INTO scores (score_id, document_id, content_digest, instrument_id, negative, neutral, positive,
        model_version, directory_version, code_version, published_at, scored_at)
        SELECT document_id || instrument_id, document_id, '\\x00', instrument_id, 0, 0, 1, 'm', 'd', 'c', now(), now()
        FROM documents, unnest(ARRAY['', 'apple']) AS instrument_id
"""


async def test_rows_from_before_relevance_get_what_the_domain_says(database_url: str) -> None:
    starts, body = [3, 8, 5_000, 150_000], "x" * 200_000
    engine = create_engine(Settings(database_url=SecretStr(database_url)).require_database_url(), pool_size=1)
    try:
        await upgrade(engine, "0004")
        async with engine.begin() as connection:
            for statement in _OLD_ROWS.split(";"):
                parameters = {"body": body, "starts": starts}
                used = {name: value for name, value in parameters.items() if f":{name}" in statement}
                await connection.execute(text(statement), used)
        await upgrade(engine)
        async with engine.connect() as connection:
            mentions = [
                tuple(row)
                for row in await connection.execute(text("SELECT document_id, span_start, relevance FROM mentions"))
            ]
            scores = [tuple(row) for row in await connection.execute(text("SELECT score_id, relevance FROM scores"))]
    finally:
        await engine.dispose()
    where = {"article": body_start("Apple 🍏", body), "tweet": None}
    assert {(name, start): relevance for name, start, relevance in mentions} == {
        (name, start): pytest.approx(prominence(start, where[name])) for name in where for start in starts
    }
    assert dict(scores) == {
        "article": None,
        "tweet": None,
        "articleapple": 1.0,
        "tweetapple": pytest.approx(prominence(3, None)),
    }
