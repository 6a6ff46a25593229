"""The market: what is published now, who is named, and how."""

import streamlit as st

from dashboard import charts, sources, view
from stream_worker.errors import FinsentryError


@st.fragment(run_every=1.0)
def market() -> None:
    """Reads the live view anew every second; the rest of the page stays as it is."""
    try:
        live = sources.live()
        feed, state = live.feed(), live.instrument("")
        mentioned, negative = live.board("mentioned"), live.board("negative")
    except FinsentryError as error:
        st.warning(str(error), icon=":material/cloud_off:")
        return
    if feed is None or not feed["documents"]:
        st.info("Nothing has been scored yet. `finsentry replay --generate` publishes headlines to look at.")
        return
    _figures(state, feed)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.subheader("Live feed")
        with st.container(height=690, border=False):
            st.html(view.feed_html(feed["documents"], sources.name_of))
    with right:
        st.subheader("Market trend")
        st.plotly_chart(
            charts.trend(state["series"] if state else []), key="market-trend", config={"displayModeBar": False}
        )
        first, second = st.columns(2, gap="small")
        with first:
            st.subheader("Most mentioned")
            st.html(view.board_html(mentioned["rows"][:12] if mentioned else [], sources.name_of))
        with second:
            st.subheader("Most negative")
            st.html(view.board_html(negative["rows"][:12] if negative else [], sources.name_of))


def _figures(state: view.State | None, feed: view.State) -> None:
    documents = int(state["documents"]) if state else 0
    columns = st.columns([1, 1, 1, 2])
    columns[0].metric(f"Scored documents, {sources.settings().board_hours} h", f"{documents:,}")
    if state and documents:
        columns[1].metric("Mean polarity", f"{state['polarity']:+.2f}")
        columns[2].metric("Negative", f"{state['negative_documents'] / documents:.0%}")
    clock = "stream clock" if sources.settings().clock == "stream" else "UTC"
    columns[3].metric(f"As of ({clock})", view.clock_time(feed["as_of"], with_date=True))
    models = {document["model_version"] for document in feed["documents"] if document["model_version"]}
    columns[3].caption("Scored by " + "; ".join(sorted(models)))


st.title("Market")
market()
