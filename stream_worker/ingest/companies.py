"""Whom the generator writes about."""

from stream_worker.directory import load_directory
from stream_worker.domain.instruments import Kind
from stream_worker.errors import ConfigurationError
from stream_worker.ingest.generator import Company
from stream_worker.settings import Settings

#: By symbol; the others follow.
_TALKED_ABOUT = (
    *("AAPL", "TSLA", "NVDA", "MSFT", "AMZN", "GOOGL", "META", "BA", "NFLX", "JPM", "INTC", "AMD", "DIS", "F", "WMT"),
    *("PFE", "C", "NKE", "SBUX", "ORCL", "GM", "IBM", "GS", "XOM", "KO", "PEP", "CVX", "BAC", "T", "UBER", "PYPL"),
)


def known_companies(settings: Settings) -> list[Company]:
    """The listed companies of the directory of instruments, which linking recognises; the best known ones first.

    Raises ConfigurationError where the directory does not hold, or has fewer than two.
    """
    directory = load_directory(settings.instruments)
    companies = [
        Company(instrument.name, instrument.symbols[0])
        for instrument in directory.instruments.values()
        if instrument.kind is Kind.EQUITY and instrument.symbols and instrument.sector
    ]
    if len(companies) < 2:
        raise ConfigurationError("The directory of instruments has fewer than two companies with symbol and sector.")
    rank = {symbol: place for place, symbol in enumerate(_TALKED_ABOUT)}
    return sorted(companies, key=lambda company: (rank.get(company.symbol, len(rank)), company.symbol))
