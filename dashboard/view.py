"""States as HTML. Headlines are untrusted: every text goes through `html.escape`, every address through `safe_url`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import urlsplit

State = Mapping[str, Any]

#: Told apart by people who do not see red and green, and by sign and word besides.
NEGATIVE, NEUTRAL, POSITIVE = "#b3541e", "#7b8794", "#1f6fb2"

#: Put on the page once.
STYLE = f"""
<style>
.block-container {{padding-top:4rem; padding-bottom:1rem}}
h1 {{font-size:1.5rem !important; padding:0 !important}}
h3 {{font-size:1.02rem !important; padding:.4rem 0 .2rem !important}}
[data-testid=stMetricValue] {{font-size:1.5rem}}
.fs-table {{width:100%; border-collapse:collapse; font-size:0.86rem; line-height:1.35}}
.fs-table th {{text-align:left; color:#5b6875; font-weight:600; padding:4px 8px; border-bottom:1px solid #d5dce3}}
.fs-table td {{padding:5px 8px; border-bottom:1px solid #edf0f3; vertical-align:top}}
.fs-num {{text-align:right !important; font-variant-numeric:tabular-nums; white-space:nowrap}}
.fs-dim {{color:#7b8794; white-space:nowrap; font-variant-numeric:tabular-nums}}
.fs-text {{overflow-wrap:anywhere}}
.fs-name {{overflow-wrap:break-word}}
.fs-text a {{color:inherit; text-decoration:none; border-bottom:1px dotted #9aa5b1}}
.fs-tag {{display:inline-block; padding:0 6px; border-radius:8px; background:#edf0f3;
  margin-left:6px; font-size:0.74rem}}
.fs-score {{display:inline-block; min-width:4.2em; text-align:right; font-weight:600; white-space:nowrap}}
.fs-negative {{color:{NEGATIVE}}} .fs-neutral {{color:{NEUTRAL}}} .fs-positive {{color:{POSITIVE}}}
.fs-unscored {{color:#7b8794; font-style:italic; white-space:nowrap}}
</style>
"""

_UNSCORED = {"other_language": "other language", "no_words": "no words"}


def safe_url(url: str | None) -> str | None:
    """The address, if a browser may be sent there."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc else None


def clock_time(iso: str | None, *, with_date: bool = False) -> str:
    """An ISO time as UTC."""
    if not iso:
        return "—"
    time = datetime.fromisoformat(iso).astimezone(UTC)
    return time.strftime("%Y-%m-%d %H:%M:%S" if with_date else "%H:%M:%S")


def tone(polarity: float) -> str:
    """The class of a polarity for the eye: a tenth around zero counts as neutral."""
    return "negative" if polarity < -0.1 else "positive" if polarity > 0.1 else "neutral"


def polarity_html(polarity: float | None) -> str:
    """A polarity with sign and colour."""
    if polarity is None:
        return '<span class="fs-score fs-neutral">—</span>'
    polarity = round(polarity, 2) or 0.0  # never "-0.00"
    arrow = {"negative": "▼", "neutral": "■", "positive": "▲"}[tone(polarity)]
    return f'<span class="fs-score fs-{tone(polarity)}">{arrow} {polarity:+.2f}</span>'


def feed_html(documents: Sequence[State], name_of: Callable[[str], str]) -> str:
    """Documents as a table, newest first."""
    rows = "".join(_feed_row(document, name_of) for document in documents)
    head = '<tr><th>UTC</th><th class="fs-num">Polarity</th><th>Headline</th></tr>'
    return f'<table class="fs-table">{head}{rows}</table>'


def _feed_row(document: State, name_of: Callable[[str], str]) -> str:
    text = escape(str(document["text"])[:300])
    if (url := safe_url(document.get("url"))) is not None:
        text = f'<a href="{escape(url, quote=True)}" target="_blank" rel="noopener noreferrer">{text}</a>'
    tags = "".join(
        f'<span class="fs-tag fs-{tone(i["polarity"])}">{escape(name_of(i["instrument_id"]))}</span>'
        for i in document["instruments"][:4]
    )
    time = escape(clock_time(document["published_at"]))
    kind = escape(f"{document['source']} · {document['kind']}")
    return (
        f'<tr><td class="fs-dim">{time}</td><td class="fs-num">{_sentiment_html(document)}</td>'
        f'<td class="fs-text">{text}{tags}<br><span class="fs-dim">{kind}</span></td></tr>'
    )


def _sentiment_html(document: State) -> str:
    sentiment = document["sentiment"]
    if sentiment is None:
        reason = str(document["unscored_reason"])
        return f'<span class="fs-unscored">unscored: {escape(_UNSCORED.get(reason, reason))}</span>'
    return polarity_html(sentiment["positive"] - sentiment["negative"])


def board_html(rows: Sequence[State], name_of: Callable[[str], str]) -> str:
    """A leader board as a table."""
    body = "".join(
        f'<tr><td class="fs-name">{escape(name_of(row["instrument_id"]))}</td>'
        f'<td class="fs-num">{int(row["documents"])}</td><td class="fs-num">{polarity_html(row["polarity"])}</td></tr>'
        for row in rows
    )
    head = '<tr><th>Instrument</th><th class="fs-num">Docs</th><th class="fs-num">Polarity</th></tr>'
    return f'<table class="fs-table">{head}{body}</table>'
