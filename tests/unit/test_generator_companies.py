"""Whom the generator writes about."""

from stream_worker.ingest.companies import known_companies


def test_the_built_in_directory_gives_many_companies_the_best_known_ones_first() -> None:
    companies = known_companies()
    assert companies[0].symbol == "AAPL"
    assert len(companies) > 400
    assert len({company.symbol for company in companies}) == len(companies)
