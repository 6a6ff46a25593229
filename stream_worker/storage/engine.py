"""The connection to Postgres, and which of its errors are whose."""

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

#: SQLSTATE classes and codes that a later try may not meet: connections, plans of an older schema, a read-only server
#: after a failover, serialization, resources, shutdown, and a race that ON CONFLICT could not see.
_PASSING = ("08", "0A000", "25006", "40", "53", "55", "57", "58", "23505")
#: What a document's own values can cause: bad data, a null or a failed check.
_OF_THE_DATA = ("22", "23502", "23514")


def create_engine(url: str, pool_size: int = 8) -> AsyncEngine:
    """An engine for a service that lives long: connections are tried before use."""
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        # Parameters are other people's texts: they belong into no log and no message.
        hide_parameters=True,
        connect_args={"timeout": 5, "command_timeout": 60, "server_settings": {"timezone": "UTC"}},
    )


async def ask(engine: AsyncEngine) -> str:
    """A question as small as they come, for health checks. Raises DBAPIError or OSError where there is no answer."""
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    return "answers"


def sqlstate(error: BaseException) -> str | None:
    """The five-character code of a server error; None for an error that the client raised."""
    original = getattr(error, "orig", error)
    for candidate in (original, original.__cause__ if original else None):
        code = getattr(candidate, "sqlstate", None)
        if code:
            return str(code)
    return None


def said(error: BaseException) -> str:
    """What a server said of a statement, without the values that it was about: its code and its first line.

    Of an error that the client raised only the kind is told, for such errors show the values.
    """
    code = sqlstate(error)
    if code is None:
        return type(_cause(error) if isinstance(error, DBAPIError) else error).__name__
    return f"{code} {str(getattr(error, 'orig', error)).splitlines()[0]}"


def is_passing(error: BaseException) -> bool:
    """Whether the same statement may succeed later without anybody changing anything."""
    code = sqlstate(error)
    if code is not None:
        return code.startswith(_PASSING)
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(_cause(error), OSError | TimeoutError)
    return isinstance(error, OSError | TimeoutError)


def is_data_error(error: BaseException) -> bool:
    """Whether a value of the statement is to blame, so that the statement without it would succeed."""
    code = sqlstate(error)
    if code is not None:
        return code.startswith(_OF_THE_DATA)
    return isinstance(error, UnicodeEncodeError | OverflowError) or _is_encoding_error(error)


def _is_encoding_error(error: BaseException) -> bool:
    """asyncpg's own refusal to encode a value, before anything was sent."""
    return isinstance(error, DBAPIError) and type(_cause(error)).__name__ == "DataError"


def _cause(error: DBAPIError) -> BaseException | None:
    """What the driver raised, under SQLAlchemy's own wrapping."""
    return error.orig.__cause__ or error.orig if error.orig is not None else None
