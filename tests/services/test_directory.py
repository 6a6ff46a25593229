"""The directory of instruments in Postgres: imports, changes, versions, and workers that take them while they run."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.cli import cli
from stream_worker.directory import built_in_directory
from stream_worker.directory.importing import import_built_in, import_instruments
from stream_worker.domain.directory_file import parse_instruments
from stream_worker.local.servers import Servers
from stream_worker.settings import Settings
from stream_worker.storage.directory import Change, Origin, change_of_version, latest_change, read_directory
from tests.services.deployment import Deployment, deployed, document

HEADER = "id,kind,name,symbols,aliases,sector,context,valid_from,valid_to"
ACME = "acme,equity,Acme,XNYS:ACME,acme corporation,Industrials,,,"


@pytest.fixture
async def deployment(servers: Servers, settings: Settings, tmp_path: Path) -> AsyncIterator[Deployment]:
    async with deployed(settings, tmp_path / "logs") as deployment:
        yield deployment


async def _latest(engine: AsyncEngine) -> Change:
    async with engine.connect() as connection:
        change = await latest_change(connection)
    assert change is not None
    return change


async def test_a_release_is_imported_once_and_leaves_what_is_ones_own(engine: AsyncEngine) -> None:
    first = await import_built_in(engine)
    assert len(first.added) == len(built_in_directory().instruments)
    assert (first.changed, first.refused, first.change.version) == ([], [], built_in_directory().version)
    again = await import_built_in(engine)
    assert (again.added, again.change) == ([], first.change)

    own = [HEADER, "apple,equity,Our Apple,XNAS:AAPL,our apple,,,,", ACME]
    changed = await import_instruments(engine, list(parse_instruments(own)), Origin.OWN, "test")
    assert (changed.added, changed.changed) == (["acme"], ["apple"])
    kept = await import_built_in(engine)
    assert kept.kept == ["apple"]
    assert kept.change == changed.change
    async with engine.connect() as connection:
        now = await read_directory(connection, await _latest(engine))
        before = await change_of_version(connection, first.change.version)
        assert before is not None
        then = await read_directory(connection, before)
    assert now.instruments["apple"].name == "Our Apple"
    assert then.instruments["apple"].name != "Our Apple"
    assert then.version == first.change.version
    assert "acme" not in then.instruments


async def test_bad_rows_are_refused_by_themselves_and_what_they_would_have_replaced_stays(engine: AsyncEngine) -> None:
    await import_instruments(engine, list(parse_instruments([HEADER, ACME])), Origin.OWN, "first")
    rows = [
        HEADER,
        "other,equity,Other,XNYS:OTH,other inc,,,,",
        "third,equity,Third,XNYS:OTH,third,,,,",
        "acme,equity,Acme,XNYS:OTH,acme,,,,",
        "bad,bond,Bad,BAD,bad,,,,",
    ]
    done = await import_instruments(engine, list(parse_instruments(rows)), Origin.OWN, "second")
    assert done.added == ["other"]
    assert [(refused.line, refused.reason.split(" is ")[0]) for refused in done.refused] == [
        (3, "symbol 'OTH'"),
        (4, "symbol 'OTH'"),
        (5, "kind 'bond'"),
    ]
    async with engine.connect() as connection:
        directory = await read_directory(connection, done.change)
    assert directory.instruments["acme"].symbols[0].ticker == "ACME"


@pytest.fixture
def finsentry(engine: AsyncEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("FINSENTRY_DATABASE_URL", settings.database_url.get_secret_value())  # type: ignore[union-attr]
    monkeypatch.setenv("FINSENTRY_HOME", str(settings.home))
    return lambda *arguments: CliRunner().invoke(cli, ["instruments", *arguments])


class TestCommands:
    def test_what_is_exported_is_imported_again(self, finsentry: Callable[..., Result], tmp_path: Path) -> None:
        assert finsentry("import").exit_code == 0
        exported = finsentry("export")
        file = tmp_path / "mine.csv"
        file.write_text(exported.stdout + ACME + "\n")
        done = finsentry("import", str(file), "--json")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["added"] == ["acme"]
        version = json.loads(done.stdout)["change"]["version"]
        file.write_text(exported.stdout)
        replaced = finsentry("import", str(file), "--replace", "--json")
        assert json.loads(replaced.stdout)["removed"] == ["acme"]
        assert finsentry("export").stdout == exported.stdout
        assert ACME in finsentry("export", "--version", version).stdout
        unknown = finsentry("export", "--version", "none")
        assert unknown.exit_code != 0
        assert "never a version none" in str(unknown.exception)

    def test_a_refused_row_is_told_with_its_line(self, finsentry: Callable[..., Result], tmp_path: Path) -> None:
        file = tmp_path / "mine.csv"
        file.write_text(f"{HEADER}\n{ACME}\nbad,bond,Bad,BAD,bad,,,,\n")
        done = finsentry("import", str(file))
        assert done.exit_code == 1
        assert "1 added" in done.stdout
        assert "line 3 REFUSED: kind 'bond' is none of" in done.stderr

    def test_add_find_and_remove(self, finsentry: Callable[..., Result]) -> None:
        assert finsentry("import").exit_code == 0
        added = finsentry(
            "add", "acme", "--name", "Acme", "--symbol", "XNYS:ACME", "--alias", "~Acme", "--context", "anvil"
        )
        assert added.exit_code == 0, added.output
        assert json.loads(finsentry("find", "ACME", "--json").stdout)[0]["id"] == "acme"
        assert "XNYS:ACME" in finsentry("find", "acme").stdout
        clash = finsentry("add", "acme-two", "--name", "Two", "--symbol", "XNYS:ACME")
        assert (clash.exit_code, "claimed by 'acme' too" in clash.stderr) == (1, True)
        assert finsentry("add", "acme-two", "--name", "Two").exit_code == 2
        assert finsentry("remove", "acme").exit_code == 0
        assert "acme" not in [row["id"] for row in json.loads(finsentry("find", "acme", "--json").stdout)]
        assert finsentry("find", "no such name").exit_code == 1
        assert "There is no instrument 'acme'" in str(finsentry("remove", "acme").exception)

    def test_what_one_removed_stays_away(self, finsentry: Callable[..., Result]) -> None:
        assert finsentry("import").exit_code == 0
        assert finsentry("remove", "apple").exit_code == 0
        assert json.loads(finsentry("import", "--json").stdout)["kept"] == ["apple"]
        assert finsentry("find", "AAPL").exit_code == 1

    def test_listings_bring_what_is_not_there_yet(self, finsentry: Callable[..., Result], tmp_path: Path) -> None:
        assert finsentry("import").exit_code == 0
        listed = tmp_path / "nasdaq.csv"
        listed.write_text(
            "Symbol,Company Name,Security Name,Market Category,Test Issue,Financial Status,Round Lot Size,ETF\n"
            "AAPL,Apple Inc.,Apple Inc. - Common Stock,Q,N,N,100,N\n"
            'ZZQ,Zzyzx Robotics,"Zzyzx Robotics, Inc. - Class A Common Stock",Q,N,N,100,N\n'
            'ZZQW,Zzyzx Robotics,"Zzyzx Robotics, Inc. - Warrant",Q,N,N,100,N\n'
            "GRSS,Grass,Grass Inc. - Common Stock,Q,N,N,100,N\n"
            "ZZZT,Test,Test Issue - Common Stock,Q,Y,N,100,N\n"
            "ZZC,Common,Common Stock of Nobody,Q,N,N,100,N\n"
        )
        numbers = tmp_path / "sec.csv"
        numbers.write_text("cik_str,ticker,title\n0001800000,ZZQ,ZZYZX\n")
        done = finsentry("import-listings", str(listed), str(numbers), "--json")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["added"] == ["common-stock-of-nobody", "grass", "zzyzx-robotics"]
        exported = finsentry("export").stdout
        assert 'zzyzx-robotics,equity,"Zzyzx Robotics, Inc.",XNAS:ZZQ,Zzyzx Robotics,,,2020-01-08,' in exported
        assert "grass,equity,Grass Inc.,XNAS:GRSS,,,,2020-01-08," in exported
        numbers.write_text("a,b\n")
        assert "is no list by Nasdaq Trader or the SEC" in str(finsentry("import-listings", str(numbers)).exception)


async def test_a_running_worker_links_with_a_change_and_says_with_which_version(
    deployment: Deployment,
) -> None:
    engine = deployment.engine
    await deployment.start("worker")
    await deployment.send([document("Acme Corporation soars", 1)])
    await deployment.until("SELECT count(*) FROM receipts", 1)
    before = await _latest(engine)
    changed = await import_instruments(engine, list(parse_instruments([HEADER, ACME])), Origin.OWN, "test")
    sent = 1
    while not await deployment.value("SELECT count(*) FROM scores WHERE instrument_id = 'acme'"):
        sent += 1
        await deployment.send([document(f"Acme Corporation soars by {sent}", sent)])
        await deployment.until("SELECT count(*) FROM receipts", sent)
    versions = "SELECT DISTINCT directory_version FROM scores WHERE instrument_id = 'acme'"
    assert {row[0] for row in await deployment.rows(versions)} == {changed.change.version}
    first = "SELECT directory_version FROM scores ORDER BY scored_at LIMIT 1"
    assert await deployment.value(first) == before.version
