"""The readers, opened once for all sessions, and names of instruments.

The readers are synchronous, as Streamlit's scripts are: psycopg beside the service's asyncpg costs one more package,
and saves an event loop in a background thread with everything that can go wrong there.
"""

import streamlit as st

from stream_worker.directory import built_in_directory
from stream_worker.domain.instruments import Directory
from stream_worker.errors import Unavailable
from stream_worker.settings import Clock, Settings, load_settings
from stream_worker.storage.history_reader import HistoryReader
from stream_worker.storage.live_reader import LiveReader


@st.cache_resource(show_spinner=False, ttl=10)
def settings() -> Settings:
    """Read anew now and then: the stack that they name may start after the dashboard."""
    return load_settings()


def clock() -> Clock:
    """What "now" means here."""
    return settings().clock


@st.cache_resource(show_spinner=False)
def live() -> LiveReader:
    """The live view."""
    return LiveReader(settings().require_redis_url())


@st.cache_resource(show_spinner=False)
def history() -> HistoryReader:
    """Postgres."""
    return HistoryReader(settings().require_database_url(), settings().clock)


@st.cache_resource(show_spinner=False, ttl=60)
def directory() -> Directory:
    """The instruments that can be watched; while Postgres is away, those of this release: only names come from here."""
    try:
        return history().directory() or built_in_directory()
    except Unavailable:
        return built_in_directory()


def name_of(instrument_id: str) -> str:
    """What people call an instrument; its id where the directory no longer knows it."""
    instrument = directory().get(instrument_id)
    return instrument.name if instrument is not None else instrument_id


def label_of(instrument_id: str) -> str:
    """Name and first symbol: Apple · AAPL."""
    instrument = directory().get(instrument_id)
    if instrument is None or not instrument.symbols:
        return name_of(instrument_id)
    return f"{instrument.name} · {instrument.symbols[0].ticker}"
