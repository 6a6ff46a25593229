"""A storm of messages that break something on their way: each is a dead letter of its own, all others come through."""

import asyncio
import random

from sqlalchemy import text

from tests.faults.conftest import assert_holds
from tests.services.deployment import Deployment, document

DOCUMENTS = 1_000


async def test_a_storm_of_documents_that_the_database_refuses_takes_no_good_one_along(deployment: Deployment) -> None:
    async with deployment.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE documents ADD CONSTRAINT poison CHECK (title NOT LIKE '%poison%')"))
    poison = [n for n in range(DOCUMENTS) if n % 3 == 0]
    titles = [f"Apple profit {'poison ' * (n % 3 == 0)}{n}" for n in range(DOCUMENTS)]
    await deployment.send([document(title, n, id=str(n)) for n, title in enumerate(titles)])
    await deployment.start("worker")
    await deployment.start("monitor")
    await deployment.until("SELECT count(*) FROM receipts", DOCUMENTS)
    assert await deployment.outcomes() == {"accepted": DOCUMENTS - len(poison), "dead_letter": len(poison)}
    assert await deployment.rows("SELECT DISTINCT reason FROM dead_letters") == [("database_refused",)]
    await deployment.until("SELECT count(*) FROM dirty_marks", 0)
    await assert_holds(deployment)


async def test_a_storm_of_every_kind_of_junk_between_good_documents_is_sorted_out(deployment: Deployment) -> None:
    huge = document("a" * 900_000)
    junk: list[bytes | None] = [
        b"\xff",
        b"{" * 5_000,
        b"[" * 60 + b"]" * 60,
        b'{"title": "\\ud800"}',
        document("a\0b"),
        None,
        huge,
    ]
    good = [document(f"Apple loss {n}", n, id=str(n)) for n in range(DOCUMENTS)]
    mixed = [*good, *(junk[n % len(junk)] for n in range(DOCUMENTS))]
    random.Random(5).shuffle(mixed)
    await deployment.start("worker")
    await deployment.start("monitor")
    for start in range(0, len(mixed), 200):
        await deployment.send(mixed[start : start + 200])
    await deployment.until("SELECT count(*) FROM receipts", 2 * DOCUMENTS, seconds=120)
    assert await deployment.outcomes() == {"accepted": DOCUMENTS, "dead_letter": DOCUMENTS}
    await deployment.until("SELECT count(*) FROM dirty_marks", 0)
    async with asyncio.timeout(30):
        while len(await deployment.published("dead-letters")) < DOCUMENTS:
            await asyncio.sleep(0.2)
    await assert_holds(deployment)
