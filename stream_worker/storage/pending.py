"""What the monitor has yet to do."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

#: A mark has no time of its own; its document has had the newest revision, or retraction, for so long.
_PENDING = text("""
    SELECT
        (SELECT count(*) FROM dirty_marks) AS marks,
        (
            SELECT extract(epoch FROM clock_timestamp() - max(received_at)) FROM documents
            WHERE document_id = (SELECT document_id FROM dirty_marks ORDER BY mark_id LIMIT 1)
        ) AS oldest_mark_seconds,
        (SELECT count(*) FROM publications) AS publications
""")


@dataclass(frozen=True, slots=True)
class Pending:
    """Marks without windows, how long the oldest has waited, and instruments whose live state is behind."""

    marks: int
    oldest_mark_seconds: float
    publications: int


async def pending(connection: AsyncConnection) -> Pending:
    """As it is at this moment."""
    row = (await connection.execute(_PENDING)).one()
    return Pending(row.marks, float(row.oldest_mark_seconds or 0.0), row.publications)
