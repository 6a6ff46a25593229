"""`finsentry instruments`: the directory of what can be watched, as it is in Postgres."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import click
import orjson
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from stream_worker.commands.printable import printable
from stream_worker.directory.importing import Imported, import_built_in, import_instruments, remove_instrument
from stream_worker.directory.listings import common_words, instruments_of, read_listings
from stream_worker.domain.directory_file import (
    COLUMNS,
    format_directory,
    format_instrument,
    parse_instrument,
    parse_instruments,
)
from stream_worker.domain.instruments import Directory, Instrument, Kind
from stream_worker.errors import ConfigurationError
from stream_worker.settings import load_settings
from stream_worker.storage.directory import Change, Origin, change_of_version, latest_change, read_directory
from stream_worker.storage.engine import create_engine

_T = TypeVar("_T")

_as_json = click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")


@click.group()
def instruments() -> None:
    """The directory of instruments: what can be watched, and what texts call it.

    It stands in Postgres, with every state that it ever had. Running workers link with a change within a few seconds;
    each link names the version that it was made with.
    """


@instruments.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
@click.option("--replace", is_flag=True, help="Take out those of your own that are not in FILE.")
@_as_json
def import_(file: Path | None, replace: bool, as_json: bool) -> None:
    """Take the rows of FILE, or of the directory that comes with this release.

    FILE is CSV as `export` writes it. Its rows are your own from then on: no release and no listing overwrites them. A
    bad row is refused with its line and reason, the others are taken. Exits 1 if one was refused.
    """
    if file is None:
        _tell(_run(import_built_in), as_json)
        return
    rows = list(parse_instruments(file.read_text(encoding="utf-8").splitlines()))
    _tell(_run(lambda e: import_instruments(e, rows, Origin.OWN, f"import {file.name}", replace)), as_json)


@instruments.command("import-listings")
@click.argument("lists", type=click.Path(path_type=Path, exists=True, dir_okay=False), nargs=-1, required=True)
@_as_json
def import_listings(lists: tuple[Path, ...], as_json: bool) -> None:
    """Add what trades in the United States and is not in the directory, from Nasdaq Trader's lists and the SEC's.

    A name that is short, or made of common words, counts only where a text confirms it. What an earlier list brought
    and these do not have is taken out.
    """
    settings = load_settings()
    words = common_words(settings.model_repository)
    listings = [listing for path in lists for listing in read_listings(path)]

    async def run(engine: AsyncEngine) -> Imported:
        async with engine.connect() as connection:
            known = await read_directory(connection, await _latest(connection), without=Origin.LISTINGS)
        rows = list(instruments_of(listings, known, words))
        return await import_instruments(
            engine, rows, Origin.LISTINGS, f"listings {', '.join(p.name for p in lists)}", replace=True
        )

    _tell(_run(run), as_json)


@instruments.command()
@click.option("--version", help="As it was at this version; the newest by default.")
def export(version: str | None) -> None:
    """Print the directory as CSV."""
    click.echo(format_directory(_run(lambda e: _read(e, version)).instruments.values()), nl=False)


@instruments.command()
@click.argument("id_", metavar="ID")
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), default=Kind.EQUITY.value, show_default=True)
@click.option("--name", required=True)
@click.option("--symbol", "symbols", multiple=True, help="TICKER or EXCHANGE:TICKER. May be given more than once.")
@click.option("--alias", "aliases", multiple=True, help="Marked as in the file. May be given more than once.")
@click.option("--sector", default="")
@click.option("--context", multiple=True, help="Words that speak for it beside an alias in doubt.")
@click.option("--valid-from", default="", metavar="YYYY-MM-DD")
@click.option("--valid-to", default="", metavar="YYYY-MM-DD", help="The first day on which it is not valid any more.")
@_as_json
def add(
    id_: str, kind: str, name: str, symbols: tuple[str, ...], aliases: tuple[str, ...], sector: str,
    context: tuple[str, ...], valid_from: str, valid_to: str, as_json: bool,
) -> None:  # fmt: skip
    """Put one instrument into the directory, or another in the place of the one with this ID."""
    cells = (id_, kind, name, "|".join(symbols), "|".join(aliases), sector, "|".join(context), valid_from, valid_to)
    try:
        instrument = parse_instrument(dict(zip(COLUMNS, cells, strict=True)))
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None
    _tell(_run(lambda e: import_instruments(e, [(1, instrument)], Origin.OWN, f"add {id_}")), as_json)


@instruments.command()
@click.argument("id_", metavar="ID")
@_as_json
def remove(id_: str, as_json: bool) -> None:
    """Take one instrument out of the directory. What was linked with it stays as it was."""
    _tell(_run(lambda e: remove_instrument(e, id_)), as_json)


@instruments.command()
@click.argument("words")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1))
@_as_json
def find(words: str, limit: int, as_json: bool) -> None:
    """List instruments by id, ticker, name or alias, the best matches first. Exits 1 where there is none."""
    found = _run(lambda e: _read(e, None)).find(words)[:limit]
    if as_json:
        click.echo(orjson.dumps([format_instrument(instrument) for instrument in found]))
    for instrument in () if as_json else found:
        click.echo(_line(instrument))
    if not found:
        click.echo("No instrument is called that.", err=True)
        sys.exit(1)


def _run(act: Callable[[AsyncEngine], Awaitable[_T]]) -> _T:
    settings = load_settings()

    async def run() -> _T:
        engine = create_engine(settings.require_database_url(), pool_size=1)
        try:
            return await act(engine)
        finally:
            await engine.dispose()

    return asyncio.run(run())


async def _latest(connection: AsyncConnection) -> Change:
    change = await latest_change(connection)
    if change is None:
        raise ConfigurationError("The directory of instruments is empty: run `finsentry migrate`.")
    return change


async def _read(engine: AsyncEngine, version: str | None) -> Directory:
    async with engine.connect() as connection:
        change = await (_latest(connection) if version is None else change_of_version(connection, version))
        if change is None:
            raise ConfigurationError(f"There was never a version {version} of the directory here.")
        return await read_directory(connection, change)


def _tell(done: Imported, as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps(asdict(done)))
    else:
        counts = {
            name: len(ids)
            for name, ids in {
                "added": done.added,
                "changed": done.changed,
                "removed": done.removed,
                "kept as your own": done.kept,
            }.items()
            if ids
        }
        said = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing changed"
        click.echo(f"{said}; the directory's version is {done.change.version}.")
    for refused in done.refused:
        click.echo(f"line {refused.line} REFUSED: {printable(refused.reason)}", err=True)
    if done.refused:
        sys.exit(1)


def _line(instrument: Instrument) -> str:
    row = format_instrument(instrument)
    days = f"  {row['valid_from']}/{row['valid_to']}" if row["valid_from"] or row["valid_to"] else ""
    return printable(f"{instrument.id:<32} {instrument.kind:<9} {instrument.name:<36} {row['symbols']}{days}")
