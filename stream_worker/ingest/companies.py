"""Whom the generator writes about."""

from stream_worker.directory import built_in_directory
from stream_worker.domain.instruments import Kind
from stream_worker.ingest.generator import Company

_AMERICAN = {"XNYS", "XNAS"}

#: By symbol; the others follow.
_TALKED_ABOUT = (
    *("AAPL", "TSLA", "NVDA", "MSFT", "AMZN", "GOOGL", "META", "BA", "NFLX", "JPM", "INTC", "AMD", "DIS", "F", "WMT"),
    *("PFE", "C", "NKE", "SBUX", "ORCL", "GM", "IBM", "GS", "XOM", "KO", "PEP", "CVX", "BAC", "T", "UBER", "PYPL"),
)


def known_companies() -> list[Company]:
    """Companies of this release's directory that are listed in New York today; the best known ones first."""
    companies = [
        Company(instrument.name, symbol.ticker)
        for instrument in built_in_directory().instruments.values()
        if instrument.kind is Kind.EQUITY and instrument.valid.end is None and instrument.sector
        for symbol in instrument.symbols[:1]
        if symbol.exchange in _AMERICAN and symbol.valid.end is None
    ]
    rank = {symbol: place for place, symbol in enumerate(_TALKED_ABOUT)}
    return sorted(companies, key=lambda company: (rank.get(company.symbol, len(rank)), company.symbol))
