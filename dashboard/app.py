"""The dashboard: `finsentry up` starts it, or `streamlit run dashboard/app.py`."""

from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent

# A file of our own: named icons are fetched from elsewhere.
st.set_page_config(page_title="finsentry", page_icon=HERE / "icon.svg", layout="wide")
st.logo(HERE / "logo.svg", size="medium")
st.html(HERE / "style.css")
st.navigation(
    [
        st.Page("pages/market.py", title="Market", icon=":material/monitoring:", default=True),
        st.Page("pages/instrument.py", title="Instrument", icon=":material/query_stats:"),
    ],
    position="top",
).run()
