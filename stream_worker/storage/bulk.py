"""One statement for many rows: arrays in, `unnest` on the server.

Prepared once, sent once a batch, however many rows there are; asyncpg encodes the arrays in C.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Table, TextClause, text
from sqlalchemy.dialects import postgresql

Row = Sequence[Any]

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


@cache
def insert(table: Table, columns: tuple[str, ...], returning: tuple[str, ...] = ()) -> TextClause:
    """INSERT of many rows that skips those whose key is there; `returning` names columns of the rows inserted."""
    names = ", ".join(columns)
    arrays = ", ".join(f"CAST(:{name} AS {_type(table, name)}[])" for name in columns)
    tail = f" RETURNING {', '.join(returning)}" if returning else ""
    conflict = "ON CONFLICT DO NOTHING"
    return text(f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays}) {conflict}{tail}")  # noqa: S608


@cache
def select_by_key(table: Table, key: tuple[str, ...], columns: tuple[str, ...]) -> TextClause:
    """SELECT of the rows with any of many keys."""
    arrays = ", ".join(f"CAST(:{name} AS {_type(table, name)}[])" for name in key)
    names = ", ".join(f"t.{name}" for name in columns)
    keys = ", ".join(key)
    return text(
        f"SELECT {names} FROM unnest({arrays}) AS wanted({keys}) JOIN {table.name} t USING ({keys})"  # noqa: S608
    )


def parameters(columns: tuple[str, ...], rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Rows turned into one list a column."""
    return dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))


def _type(table: Table, column: str) -> str:
    return table.c[column].type.compile(dialect=_DIALECT)
