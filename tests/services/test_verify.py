"""`finsentry verify` on a deployment that is sound, and on copies of it with one thing broken each."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import asyncpg
import pytest
from aiokafka import TopicPartition
from pydantic import SecretStr

from stream_worker.errors import ConfigurationError, Unavailable
from stream_worker.local.kafka import Kafka
from stream_worker.local.ports import Ports
from stream_worker.local.postgres import Postgres
from stream_worker.settings import Settings
from stream_worker.storage.engine import create_engine
from stream_worker.storage.windows import recompute_marked
from stream_worker.verify.deployment import open_deployment
from stream_worker.verify.report import Report
from stream_worker.verify.verification import BYTE_CHECKS, CHECKS, verify
from tests.services.verify_corruptions import CORRUPT_BYTES, CORRUPTIONS
from tests.services.verify_deployment import EARLIEST, WINDOWS
from tests.services.verify_writing import commit, write_history_log, write_log, write_rows

PREFIX = f"t{uuid.uuid4().hex[:8]}."
GROUP = f"{PREFIX}scoring"
TOPIC = f"{PREFIX}documents"
HISTORY = f"{PREFIX}documents-backfill"


@pytest.fixture(scope="module")
async def sound(postgres: Postgres, kafka: Kafka) -> str:
    """The name of a database that is copied and never changed; its log is read by all tests."""
    name = f"sound_{uuid.uuid4().hex[:12]}"
    postgres.query("postgres", f"CREATE DATABASE {name}")
    await write_rows(postgres.database_url(name), TOPIC, HISTORY)
    await write_log(kafka.address, TOPIC, GROUP)
    await write_history_log(kafka.address, HISTORY, f"{GROUP}-backfill")
    return name


@pytest.fixture
def copy(sound: str, postgres: Postgres, kafka: Kafka) -> Iterator[Settings]:
    """Settings of a copy of the sound deployment, for one test to break."""
    name = f"copy_{uuid.uuid4().hex[:12]}"
    postgres.query("postgres", f"CREATE DATABASE {name} TEMPLATE {sound}")
    yield Settings(
        database_url=SecretStr(postgres.database_url(name)),
        kafka_bootstrap=kafka.address,
        topic_prefix=PREFIX,
        consumer_group=GROUP,
    )
    postgres.query("postgres", f"DROP DATABASE {name} WITH (FORCE)")


async def plant(settings: Settings, statements: str) -> None:
    """Change the database behind everybody's back."""
    assert settings.database_url is not None
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


def found(report: Report) -> dict[str, int]:
    """The checks with violations."""
    return {c.name: c.violations.count for c in report.checks if c.violations is not None and c.violations.count}


async def test_a_sound_deployment_has_no_violations_and_is_counted(copy: Settings) -> None:
    report = await verify(copy, read_bytes=True)
    assert found(report) == {}
    assert report.holds
    assert all(check.violations is not None for check in report.checks)
    assert report.counts == {
        "receipts accepted": 10,
        "receipts duplicate": 4,
        "receipts dead_letter": 3,
        "receipts erased": 0,
        "dead letters": 3,
        "documents": 7,
        "revisions": 10,
        "retractions": 0,
        "erasures": 0,
        "revisions unscored": 2,
        "mentions": 7,
        "scores champion": 13,
        "scores shadow": 1,
        "windows": len(WINDOWS),
        "windows with pending marks": 2,
        "pending marks": 2,
        "model versions": 2,
    }
    assert [(p.topic, p.earliest, p.committed, p.end, p.lag) for p in report.partitions] == [
        (TOPIC, EARLIEST, 9, 11, 2),
        (TOPIC, 0, 9, 9, 0),
        (HISTORY, 0, 2, 3, 1),
    ]


@pytest.mark.parametrize("what", CORRUPTIONS)
async def test_each_corruption_is_found_by_its_check_and_no_other(copy: Settings, what: str) -> None:
    statements, expected = CORRUPTIONS[what]
    await plant(copy, statements)
    report = await verify(copy)
    assert found(report) == expected
    assert not report.holds


@pytest.mark.parametrize("what", CORRUPT_BYTES)
async def test_corrupt_bytes_are_found_when_all_bytes_are_read(copy: Settings, what: str) -> None:
    statements, expected = CORRUPT_BYTES[what]
    await plant(copy, statements)
    assert found(await verify(copy)) == {}
    assert found(await verify(copy, read_bytes=True)) == expected


def test_every_check_is_shown_to_find_something() -> None:
    planted = {name for _, expected in (CORRUPTIONS | CORRUPT_BYTES).values() for name in expected}
    # Kafka's own state: test_an_offset_committed_past_the_end_of_the_log_is_found
    assert {check.__name__ for check in CHECKS} - planted == {"committed_offsets_are_in_the_log"}


async def test_an_offset_committed_past_the_end_of_the_log_is_found(copy: Settings) -> None:
    ahead = copy.model_copy(update={"consumer_group": f"{PREFIX}ahead"})
    await commit(copy.require_kafka_bootstrap(), ahead.consumer_group, {TopicPartition(TOPIC, 1): 999})
    assert found(await verify(ahead)) == {"committed_offsets_are_in_the_log": 1}


async def test_a_group_that_has_committed_nothing_owes_no_receipts(copy: Settings) -> None:
    await plant(copy, "TRUNCATE receipts, documents, dead_letters, dirty_marks, windows CASCADE")
    report = await verify(copy.model_copy(update={"consumer_group": f"{PREFIX}new"}))
    assert found(report) == {}
    assert [p.committed for p in report.partitions] == [None, None, None]


async def test_all_violations_are_counted_and_ten_are_shown(copy: Settings) -> None:
    await plant(copy, "UPDATE scores SET model_version = 'model/3'; DELETE FROM receipts")
    report = await verify(copy)
    models = next(c.violations for c in report.checks if c.name == "scores_name_a_known_model")
    assert models is not None
    assert (models.count, len(models.examples)) == (14, 10)
    missing = next(c.violations for c in report.checks if c.name == "offsets_have_receipts")
    assert missing is not None
    assert missing.count == 15, "7 that partition 0 still holds, 6 of partition 1, 2 of history, no control record"
    assert len(missing.examples) == 10
    assert missing.examples[0] == {"topic": TOPIC, "partition": 0, "kafka_offset": EARLIEST}


async def test_another_order_of_summation_is_no_violation(copy: Settings) -> None:
    await plant(copy, "UPDATE windows SET polarity_sum = polarity_sum * (1 + 1e-12)")
    assert found(await verify(copy)) == {}


async def test_windows_that_the_monitor_writes_are_right(copy: Settings) -> None:
    await plant(
        copy,
        "DELETE FROM windows; DELETE FROM dirty_marks;"
        "INSERT INTO dirty_marks (document_id) SELECT document_id FROM documents",
    )
    engine = create_engine(copy.require_database_url(), pool_size=1)
    async with engine.begin() as connection:
        await recompute_marked(connection, datetime.now(UTC), 1000)
    await engine.dispose()
    report = await verify(copy)
    assert found(report) == {}
    assert (report.counts["windows"], report.counts["pending marks"]) == (len(WINDOWS), 0)


async def test_what_is_written_while_it_checks_does_not_matter(copy: Settings) -> None:
    async with open_deployment(copy) as deployment:
        await plant(copy, "DELETE FROM receipts; DELETE FROM windows; DELETE FROM scores")
        assert {check.__name__: (await check(deployment)).count for check in CHECKS} == {c.__name__: 0 for c in CHECKS}


async def test_the_snapshot_cannot_write(copy: Settings) -> None:
    async with open_deployment(copy) as deployment:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await deployment.snapshot.rows("DELETE FROM dirty_marks RETURNING mark_id")


async def test_a_server_that_is_away_is_named(copy: Settings) -> None:
    nowhere = f"127.0.0.1:{Ports.free().kafka_port}"
    with pytest.raises(Unavailable, match=f"^Kafka at {nowhere} does not answer"):
        await verify(copy.model_copy(update={"kafka_bootstrap": nowhere}))
    url = SecretStr(f"postgresql://finsentry:secret@{nowhere}/finsentry")
    with pytest.raises(Unavailable, match=f"^Postgres at {nowhere} does not answer") as refused:
        await verify(copy.model_copy(update={"database_url": url}))
    assert "secret" not in str(refused.value)


async def test_postgres_that_goes_away_while_it_is_read_is_named(copy: Settings) -> None:
    async def check_without_postgres() -> None:
        async with open_deployment(copy) as deployment:
            await plant(
                copy,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'finsentry verify'",
            )
            await CHECKS[0](deployment)

    with pytest.raises(Unavailable, match="went away while it was read"):
        await check_without_postgres()


async def test_a_database_or_broker_without_finsentry_says_what_to_do(copy: Settings, database_url: str) -> None:
    with pytest.raises(ConfigurationError, match="finsentry migrate"):
        await verify(copy.model_copy(update={"database_url": SecretStr(database_url)}))
    with pytest.raises(ConfigurationError, match="finsentry topics apply"):
        await verify(copy.model_copy(update={"topic_prefix": f"{PREFIX}other."}))


def run_command(settings: Settings, *options: str) -> subprocess.CompletedProcess[str]:
    """`finsentry verify` as people run it."""
    assert settings.database_url is not None
    environment = {
        **os.environ,
        "FINSENTRY_DATABASE_URL": settings.database_url.get_secret_value(),
        "FINSENTRY_KAFKA_BOOTSTRAP": settings.require_kafka_bootstrap(),
        "FINSENTRY_TOPIC_PREFIX": settings.topic_prefix,
        "FINSENTRY_CONSUMER_GROUP": settings.consumer_group,
    }
    command = [sys.executable, "-m", "stream_worker.cli", "verify", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_prints_counts_and_exits_0_where_everything_holds(copy: Settings) -> None:
    done = run_command(copy, "--bytes")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("Everything holds.\n")
    assert f"{TOPIC}/0" in done.stdout
    assert done.stdout.count(" OK ") == len(CHECKS) + 2


def test_the_command_shows_violations_on_one_line_each_and_exits_1(copy: Settings, postgres: Postgres) -> None:
    assert copy.database_url is not None
    database = copy.database_url.get_secret_value().rpartition("/")[2]
    postgres.query(database, "UPDATE mentions SET surface = E'\\x1b[2J\\n' WHERE surface = 'Apple'")
    done = run_command(copy)
    assert done.returncode == 1
    assert "3 WRONG     mentions_lie_in_the_text" in done.stdout
    assert done.stdout.count("surface=") == 3
    assert "\x1b" not in done.stdout
    assert f"1 of {len(CHECKS) + len(BYTE_CHECKS)} checks are violated." in done.stdout


def test_the_command_prints_json_for_scripts(copy: Settings, postgres: Postgres) -> None:
    assert copy.database_url is not None
    database = copy.database_url.get_secret_value().rpartition("/")[2]
    postgres.query(database, "DELETE FROM dead_letters WHERE kafka_offset = 4")
    done = run_command(copy, "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["holds"] is False
    checks = {check["name"]: check for check in report["checks"]}
    assert checks["dead_letters_match_receipts"]["violations"] == 1
    assert checks["dead_letters_match_receipts"]["examples"] == [
        {"topic": TOPIC, "partition": 0, "kafka_offset": 4, "receipt_reason": "not_json", "dead_letter_reason": None}
    ]
    assert checks["receipts_digest_their_messages"]["violations"] is None


def test_the_command_says_in_one_sentence_that_kafka_is_away(copy: Settings) -> None:
    done = run_command(copy.model_copy(update={"kafka_bootstrap": f"127.0.0.1:{Ports.free().kafka_port}"}))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("finsentry: Kafka at 127.0.0.1:")
    assert done.stderr.count("\n") == 1
