"""Whom the generator writes about."""

from stream_worker.ingest.generator import Company
from stream_worker.settings import Settings

_COMPANIES = (
    *(("Apple", "AAPL"), ("Microsoft", "MSFT"), ("Amazon", "AMZN"), ("Alphabet", "GOOGL"), ("Nvidia", "NVDA")),
    *(("Tesla", "TSLA"), ("Boeing", "BA"), ("Ford", "F"), ("Intel", "INTC"), ("Walmart", "WMT"), ("Pfizer", "PFE")),
    *(("Netflix", "NFLX"), ("Citigroup", "C"), ("Nike", "NKE"), ("Starbucks", "SBUX"), ("Oracle", "ORCL")),
)


def known_companies(_: Settings) -> list[Company]:
    """Companies that linking will recognise."""
    return [Company(name, symbol) for name, symbol in _COMPANIES]
