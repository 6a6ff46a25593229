"""The market: what is published now, who is named, and how."""

from datetime import datetime, timedelta

import streamlit as st

from dashboard import charts, guard, sources, trends, view, wording
from stream_worker.settings import Clock
from stream_worker.storage.views import Board, Feed, LiveState, MarketView

BOARD_ROWS = 6
FEED_HEIGHT = 652
TREND_HEIGHT = 186
#: The monitor publishes at least twice a minute by the wall clock; later than this, it stands still.
LATE = timedelta(minutes=2)


@st.fragment(run_every=2.0)
def market() -> None:
    """Reads the live view anew every two seconds; the rest of the page stays as it is."""
    reading = guard.read(st.session_state, "market", lambda: sources.live().market())
    read = reading.value
    feed = read.feed if read else None
    stream = sources.clock() is Clock.STREAM
    notice = reading.notice or _late(feed, stream)
    model = next((d.model_version for d in feed.documents if d.model_version), None) if feed else None
    st.html(
        view.heading_html(
            "Market", feed.as_of if feed else None, " by the stream's clock" if stream else "", model, notice
        )
    )
    if read is None:
        return
    if feed is None or not feed.documents:
        st.html(
            view.empty_html(
                "No documents yet",
                "`make demo` makes headlines; `finsentry replay FILE` sends a file of documents to Kafka.",
                "This page fills by itself as soon as the first ones are scored.",
            )
        )
        return
    _filled(read, feed)


def _late(feed: Feed | None, stream: bool) -> str | None:
    if feed is None or stream or datetime.now(feed.as_of.tzinfo) - feed.as_of < LATE:
        return None
    return f"The monitor has published nothing since {wording.moment(feed.as_of)}; this page goes on by itself."


def _filled(read: MarketView, feed: Feed) -> None:
    if read.market is not None:
        st.html(view.figures_html(_figures(read.market, feed)))
    left, right = st.columns([58, 42], gap="small")
    with left:
        _feed(feed)
    with right:
        if read.market is not None:
            _trend(read.market, feed.as_of)
        _board("Most mentioned", "by documents", read.mentioned)
        _board("Most negative", "by mean polarity, at least 3 documents", read.negative)


def _figures(market: LiveState, feed: Feed) -> list[tuple[str, str, str]]:
    unscored = sum(document.sentiment is None for document in feed.documents)
    hours = f"last {sources.settings().board_hours} h"
    negative, positive = market.negative_documents, market.positive_documents
    return [
        ("Documents scored", wording.count(market.documents), hours),
        ("Mean polarity", wording.polarity(market.polarity), "from −1 to +1"),
        ("▼ Negative", wording.share(negative, market.documents), wording.documents(negative)),
        ("▲ Positive", wording.share(positive, market.documents), wording.documents(positive)),
        ("○ Not scored", str(unscored), f"of the newest {len(feed.documents)}"),
    ]


def _feed(feed: Feed) -> None:
    with st.container(border=True, key="feed"):
        st.html(view.section_html("Live feed", "newest published first · UTC"))
        with st.container(height=FEED_HEIGHT, border=False, key="feed-scroll"):
            st.html(view.feed_html(feed.documents, feed.as_of, sources.name_of))


def _trend(market: LiveState, now: datetime) -> None:
    earliest = market.series[0].start if market.series else None
    shown = trends.fitting(trends.LIVE_RANGES, earliest, now)
    since = now - shown.span
    with st.container(border=True, key="trend"):
        st.html(view.section_html("Market trend", f"last {shown.name} · mean polarity, and documents"))
        points = trends.binned(market.series, since, now, shown.bin_length)
        st.echarts_chart(
            charts.trend(points, since, now, shown.bin_length),
            key="market-trend",
            height=TREND_HEIGHT,
            theme=None,
            renderer="svg",
            alt="Mean polarity and number of documents over time",
        )


def _board(title: str, order: str, board: Board | None) -> None:
    name = title.lower().replace(" ", "-")
    with st.container(border=True, key=name):
        hours = f"last {board.hours} h · " if board else ""
        st.html(view.section_html(title, hours + order))
        rows = board.rows[:BOARD_ROWS] if board else ()
        if rows:
            st.html(view.board_html(rows, sources.name_of))
        else:
            st.html(view.remark_html("No instrument has been named often enough yet."))


market()
