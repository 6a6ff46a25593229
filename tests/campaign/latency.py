"""How long messages took from their topic to Postgres, as their receipts say."""

import asyncpg

_LATENCIES = """
    SELECT topic, count(*) AS messages, max(latency_seconds) AS longest,
        percentile_cont(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY latency_seconds) AS shares
    FROM receipts GROUP BY topic ORDER BY topic
"""


async def latencies(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, dict[str, float]]:
    """Seconds from published to committed, by topic."""
    return {
        row["topic"]: {
            "messages": row["messages"],
            **dict(zip(("p50", "p90", "p99"), row["shares"], strict=True)),
            "longest": row["longest"],
        }
        for row in await connection.fetch(_LATENCIES)
    }
