"""The dashboard: `finsentry up` starts it, or `streamlit run dashboard/app.py`."""

import streamlit as st

from dashboard.view import STYLE

st.set_page_config(page_title="finsentry", page_icon="📈", layout="wide")
st.html(STYLE)
st.navigation(
    [
        st.Page("pages/market.py", title="Market", icon=":material/monitoring:", default=True),
        st.Page("pages/instrument.py", title="Instrument", icon=":material/query_stats:"),
    ],
    position="top",
).run()
