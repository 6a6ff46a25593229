"""One instrument: its trend, and the documents behind it."""

import streamlit as st

from dashboard import charts, sources, view
from stream_worker.errors import FinsentryError

DOCUMENTS = 50


def trend_and_documents(instrument_id: str) -> None:
    """One instrument as it is now."""
    try:
        state = sources.live().instrument(instrument_id)
        documents = sources.history().documents(instrument_id, DOCUMENTS)
    except FinsentryError as error:
        st.warning(str(error), icon=":material/cloud_off:")
        return
    if state and state["documents"]:
        columns = st.columns([1, 1, 1, 2])
        columns[0].metric("Documents", f"{int(state['documents']):,}")
        columns[1].metric("Mean polarity", f"{state['polarity']:+.2f}")
        columns[2].metric("Negative", f"{state['negative_documents'] / state['documents']:.0%}")
        columns[3].metric("Latest (UTC)", view.clock_time(state["latest_at"], with_date=True))
        st.plotly_chart(charts.trend(state["series"]), key="instrument-trend", config={"displayModeBar": False})
    st.subheader("Documents that name it, with its own sentiment")
    st.html(view.feed_html(documents, sources.name_of))


@st.fragment(run_every=2.0)
def instrument() -> None:
    """Reads who has been named, and the one chosen, anew every two seconds."""
    try:
        known = sources.history().instruments()
    except FinsentryError as error:
        st.warning(str(error), icon=":material/cloud_off:")
        return
    chosen = st.selectbox(
        "Instrument", known, format_func=sources.name_of, placeholder="Nothing has been named yet", key="instrument"
    )
    if chosen:
        trend_and_documents(chosen)


st.title("Instrument")
instrument()
