"""Whom the generator writes about."""

from pathlib import Path

import pytest

from stream_worker.errors import ConfigurationError
from stream_worker.ingest.companies import known_companies
from stream_worker.settings import Settings


def test_the_built_in_directory_gives_many_companies_the_best_known_ones_first() -> None:
    companies = known_companies(Settings())
    assert companies[0].symbol == "AAPL"
    assert len(companies) > 400
    assert len({company.symbol for company in companies}) == len(companies)


def test_a_directory_without_companies_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "instruments.csv"
    path.write_text("id,kind,name,symbols,aliases,sector\ngold,commodity,Gold,XAU,gold,\n")
    with pytest.raises(ConfigurationError, match="fewer than two companies"):
        known_companies(Settings(instruments=path))
