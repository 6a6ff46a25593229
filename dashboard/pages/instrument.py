"""One instrument: its trend, and the documents behind it."""

from datetime import timedelta

import streamlit as st

from dashboard import charts, guard, sources, trends, view, wording
from stream_worker.settings import Clock
from stream_worker.storage.history_reader import Question
from stream_worker.storage.views import InstrumentHistory, MarketView

DOCUMENTS = 60
TREND_HEIGHT = 300
ALL_KINDS = "News and comments"
KINDS = {ALL_KINDS: ("news", "comment"), "News": ("news",), "Comments": ("comment",)}


@st.fragment(run_every=3.0)
def instrument_page() -> None:
    """Reads who is named most and the one chosen anew every three seconds; the rest of the page stays as it is."""
    market = guard.read(st.session_state, "market", lambda: sources.live().market()).value
    with st.container(horizontal=True, vertical_alignment="bottom", key="controls"):
        instrument_id = _chosen(market)
        shown = _range(instrument_id, market)
        kind = st.segmented_control("Of", list(KINDS), default=ALL_KINDS, required=True, key="kind")
    if instrument_id is None:
        st.html(
            view.empty_html("No instrument has been named yet", "The first one appears by itself; or choose one above.")
        )
        return
    _trend_and_documents(instrument_id, shown, KINDS[kind or ALL_KINDS])


def _chosen(market: MarketView | None) -> str | None:
    """The instrument that the address asks for, or the one chosen; at first the most mentioned. Keeps the address in
    step."""
    asked = st.query_params.get("id")
    mentioned = market.mentioned.rows if market and market.mentioned else ()
    first = asked or (mentioned[0].instrument_id if mentioned else None)
    if st.session_state.get("instrument") is None and first is not None:
        st.session_state["instrument"] = first
    known = {*sources.directory().instruments, *(row.instrument_id for row in mentioned)}
    if current := st.session_state.get("instrument"):
        known.add(str(current))
    chosen: str | None = st.selectbox(
        "Instrument",
        sorted(known, key=sources.name_of),
        index=None,
        format_func=sources.label_of,
        key="instrument",
        placeholder="Name or symbol",
        width=420,
    )
    if chosen and chosen != asked:
        st.query_params["id"] = chosen
    return chosen


def _range(instrument_id: str | None, market: MarketView | None) -> trends.Range:
    """How far back; at first the shortest that shows all of the last hours."""
    if instrument_id and market and market.feed and "range" not in st.session_state:
        live = guard.read({}, "live", lambda: sources.live().instrument(instrument_id)).value
        earliest = live.series[0].start if live and live.series else None
        # The page's own now is later than the monitor's by up to its rhythm of half a minute.
        now = market.feed.as_of + timedelta(minutes=1)
        st.session_state["range"] = trends.fitting(trends.LIVE_RANGES, earliest, now).name
    names = [candidate.name for candidate in trends.HISTORY_RANGES]
    chosen = st.segmented_control("Last", names, required=True, key="range")
    return trends.named(trends.HISTORY_RANGES, chosen) or trends.LIVE_RANGES[-1]


def _trend_and_documents(instrument_id: str, shown: trends.Range, kinds: tuple[str, ...]) -> None:
    question = Question(instrument_id, shown.span, shown.bin_length, kinds)
    reading = guard.read(
        st.session_state, f"history {question}", lambda: sources.history().history(question, DOCUMENTS)
    )
    history = reading.value
    stream = sources.clock() is Clock.STREAM
    model = history.documents[0].document.model_version if history and history.documents else None
    st.html(
        view.heading_html(
            sources.name_of(instrument_id),
            history.as_of if history else None,
            " by the stream's clock" if stream else "",
            model,
            reading.notice,
        )
    )
    if history is None:
        return
    if not history.trend:
        st.html(
            view.empty_html(
                f"Nothing named it in the last {shown.name}",
                "Look further back, or choose another instrument. This page goes on by itself.",
            )
        )
        return
    _filled(instrument_id, history, shown)


def _filled(instrument_id: str, history: InstrumentHistory, shown: trends.Range) -> None:
    st.html(view.figures_html(_figures(history, shown)))
    with st.container(border=True, key="trend"):
        st.html(view.section_html("Trend", f"last {shown.name} · mean polarity towards it, and documents"))
        st.echarts_chart(
            charts.trend(history.trend, history.as_of - shown.span, history.as_of, shown.bin_length),
            key="instrument-trend",
            height=TREND_HEIGHT,
            theme=None,
            renderer="svg",
            alt="Mean polarity and number of documents over time",
        )
    with st.container(border=True, key="feed"):
        st.html(view.section_html("Documents that name it", "with the sentiment towards it · newest first · UTC"))
        st.html(view.instrument_feed_html(instrument_id, history.documents, history.as_of, sources.name_of))


def _figures(history: InstrumentHistory, shown: trends.Range) -> list[tuple[str, str, str]]:
    documents = sum(point.documents for point in history.trend)
    polarity = sum(point.documents * point.polarity for point in history.trend) / documents
    negative, positive = history.negative_documents, history.positive_documents
    latest = (
        wording.moment(history.documents[0].document.published_at).split(" ", 1) if history.documents else ["–", ""]
    )
    return [
        ("Documents", wording.count(documents), f"last {shown.name}"),
        ("Mean polarity", wording.polarity(polarity), "from −1 to +1"),
        ("▼ Negative", wording.share(negative, documents), wording.documents(negative)),
        ("▲ Positive", wording.share(positive, documents), wording.documents(positive)),
        ("Latest", latest[1], latest[0]),
    ]


instrument_page()
