"""The readers, opened once for all sessions, and names of instruments."""

import streamlit as st

from stream_worker.directory import load_directory
from stream_worker.domain.instruments import Directory
from stream_worker.settings import Settings, load_settings
from stream_worker.storage.live_reader import HistoryReader, LiveReader


@st.cache_resource
def settings() -> Settings:
    """Settings as they were when the dashboard started."""
    return load_settings()


@st.cache_resource
def live() -> LiveReader:
    """The live view."""
    return LiveReader(settings().require_redis_url())


@st.cache_resource
def history() -> HistoryReader:
    """Postgres."""
    return HistoryReader(settings().require_database_url())


@st.cache_resource
def _directory() -> Directory:
    return load_directory(settings().instruments)


def name_of(instrument_id: str) -> str:
    """What people call an instrument; its id where the directory no longer knows it."""
    instrument = _directory().get(instrument_id)
    return instrument.name if instrument is not None else instrument_id
