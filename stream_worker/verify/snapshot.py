"""One unchanging view of Postgres, however long the checks take and whatever is written meanwhile."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from stream_worker.errors import ConfigurationError, Unavailable, in_words
from stream_worker.verify.report import EXAMPLES, Violations

CONNECT_SECONDS = 10.0
#: Aggregates and sorts of a whole deployment: in memory where they fit. Compiling plans costs more than it saves.
#: The transaction idles while Kafka is read, and takes as long as it takes.
_SESSION = {
    "application_name": "finsentry verify",
    "timezone": "UTC",
    "work_mem": "64MB",
    "jit": "off",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}


class Snapshot:
    """Reads inside one REPEATABLE READ, READ ONLY transaction."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", taken_at: datetime) -> None:
        self._connection = connection
        self.taken_at = taken_at

    async def violations(self, query: str, *arguments: Any) -> Violations:
        """How many rows the query has, and its first rows in ascending order."""
        rows = await self.rows(
            f"SELECT count(*) OVER () AS violations, v.* FROM ({query}) AS v ORDER BY v LIMIT {EXAMPLES}",  # noqa: S608
            *arguments,
        )
        examples = ({name: value for name, value in row.items() if name != "violations"} for row in rows)
        return Violations(rows[0]["violations"] if rows else 0, tuple(examples))

    async def rows(self, query: str, *arguments: Any) -> Sequence[asyncpg.Record]:
        """All rows of a query."""
        return await self._connection.fetch(query, *arguments)

    async def stream(self, query: str) -> AsyncIterator[asyncpg.Record]:
        """The rows of a query one by one, few in memory."""
        async for row in self._connection.cursor(query, prefetch=50):
            yield row


@asynccontextmanager
async def open_snapshot(url: str) -> AsyncIterator[Snapshot]:
    """A snapshot taken now. Raises Unavailable where Postgres is away, also later, and ConfigurationError where the
    database or its tables are not there."""
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, server_settings=_SESSION)
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise ConfigurationError(f"Postgres at {_where(url)} refuses FINSENTRY_DATABASE_URL: {error}.") from None
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unavailable(f"Postgres at {_where(url)} does not answer: {in_words(error)}.") from None
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            # The transaction's first statement takes the snapshot.
            yield Snapshot(connection, await connection.fetchval("SELECT now()"))
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise ConfigurationError(f"The database is not finsentry's ({error}): run `finsentry migrate`.") from None
    except (
        ConnectionError,
        asyncpg.PostgresConnectionError,
        asyncpg.OperatorInterventionError,
        asyncpg.InterfaceError,
    ) as error:
        raise Unavailable(f"Postgres at {_where(url)} went away while it was read: {in_words(error)}.") from None
    finally:
        if not connection.is_closed():
            connection.terminate()


def _where(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname or 'its default host'}:{parts.port or 5432}"
