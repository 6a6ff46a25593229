"""States as HTML for `st.html`. Headlines are untrusted: nothing reaches the page that has not gone through `_text`
(escaped, in a direction of its own) or `safe_url` (http and https alone).

HTML of our own rather than Streamlit's tables or Markdown: Markdown gives meaning to `$…$`, `:red[…]` and links inside
a headline, and a table drawn on a canvas can neither be searched in the browser nor read aloud.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from html import escape
from urllib.parse import quote

from dashboard import wording
from stream_worker.domain.sentiment import LABELS, Sentiment
from stream_worker.storage.views import BoardRow, InstrumentDocument, NamedInstrument, ShownDocument

NameOf = Callable[[str], str]

#: Sentiment is told by shape and word; colour only repeats it.
_SHAPES = {"negative": "▼", "neutral": "■", "positive": "▲"}

#: Polarities nearer to zero than this lean neither way.
_NEUTRAL_WITHIN = 0.1

_MOST_CHIPS = 6


def heading_html(
    title: str, as_of: datetime | None, clock_note: str, model_version: str | None, notice: str | None
) -> str:
    """The page's first lines. One element with or without a notice, so that nothing below it moves to another."""
    time = f"as of {wording.moment(as_of)}{escape(clock_note)}" if as_of else ""
    model = f'<span class="fs-model">model <b>{escape(model_version)}</b></span>' if model_version else ""
    said = f'<p class="fs-notice" role="status">{_with_code(notice)}</p>' if notice else ""
    return f'<div class="fs-heading"><h1>{_text(title)}</h1><span class="fs-asof">{time}</span>{model}</div>{said}'


def empty_html(title: str, *lines: str) -> str:
    """What to do where there is nothing to show. Words between backticks are commands."""
    return (
        f'<div class="fs-empty"><h2>{escape(title)}</h2>{"".join(f"<p>{_with_code(line)}</p>" for line in lines)}</div>'
    )


def remark_html(sentence: str) -> str:
    """A sentence in place of what is not there."""
    return f'<p class="fs-dim">{escape(sentence)}</p>'


def figures_html(values: Iterable[tuple[str, str, str]]) -> str:
    """A strip of key figures, each (name, value, remark)."""
    tiles = "".join(
        f'<div class="fs-figure"><dt>{escape(name)}</dt><dd>{escape(value)}</dd>'
        f'<span class="fs-dim">{escape(remark)}</span></div>'
        for name, value, remark in values
    )
    return f'<dl class="fs-figures">{tiles}</dl>'


def section_html(title: str, remark: str) -> str:
    """The title over a part of the page."""
    return f'<div class="fs-section"><h2>{escape(title)}</h2><span class="fs-dim">{escape(remark)}</span></div>'


def feed_html(documents: Sequence[ShownDocument], as_of: datetime, name_of: NameOf) -> str:
    """Documents with their own sentiment, newest first."""
    return _list(_row(document, document.sentiment, document.instruments, as_of, name_of) for document in documents)


def instrument_feed_html(
    instrument_id: str, documents: Sequence[InstrumentDocument], as_of: datetime, name_of: NameOf
) -> str:
    """Documents with the sentiment towards one instrument and the others that they name, newest first."""
    return _list(
        _row(
            named.document,
            named.sentiment,
            [other for other in named.document.instruments if other.instrument_id != instrument_id],
            as_of,
            name_of,
        )
        for named in documents
    )


def board_html(rows: Sequence[BoardRow], name_of: NameOf) -> str:
    """A leader board as a table."""
    body = "".join(
        f"<tr><td>{_link(row.instrument_id, name_of)}</td>"
        f'<td class="fs-number">{wording.count(row.documents)}</td>'
        f'<td class="fs-number">{wording.share(row.negative_documents, row.documents)}</td>'
        f"<td>{_diverging(row.polarity)}</td>"
        f'<td class="fs-number">{_polarity(row.polarity)}</td></tr>'
        for row in rows
    )
    head = (
        '<tr><th>Instrument</th><th class="fs-number">Documents</th><th class="fs-number">Negative</th>'
        '<th></th><th class="fs-number">Polarity</th></tr>'
    )
    return f'<table class="fs-board"><thead>{head}</thead><tbody>{body}</tbody></table>'


def _list(rows: Iterable[str]) -> str:
    return f'<ol class="fs-feed">{"".join(rows)}</ol>'


def _row(
    document: ShownDocument,
    sentiment: Sentiment | None,
    instruments: Sequence[NamedInstrument],
    as_of: datetime,
    name_of: NameOf,
) -> str:
    judged = _sentiment(sentiment) if sentiment else _unscored(document.unscored_reason)
    chips = "".join(_chip(named, name_of) for named in instruments[:_MOST_CHIPS])
    more = f" +{len(instruments) - _MOST_CHIPS}" if len(instruments) > _MOST_CHIPS else ""
    return (
        f'<li><time datetime="{document.published_at.isoformat()}">'
        f"{wording.time_of_day(document.published_at, as_of)}</time>{judged}"
        f'<div class="fs-story">{_story(document)}'
        f'<p class="fs-about"><span class="fs-dim">{_text(document.source)} · {escape(document.kind)}</span>'
        f"{chips}{more}</p></div></li>"
    )


def _story(document: ShownDocument) -> str:
    """The first line, which leads to the web page of the document, and a glimpse of the rest."""
    first, _, rest = document.text.strip().partition("\n")
    address = wording.safe_url(document.url)
    headline = _text(first)
    if address is not None:
        headline = f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer">{headline}</a>'
    body = f'<p class="fs-body">{_text(rest)}</p>' if rest.strip() else ""
    return f'<p class="fs-headline">{headline}</p>{body}'


def _sentiment(sentiment: Sentiment) -> str:
    label = sentiment.label
    parts = [(name, getattr(sentiment, name)) for name in LABELS]
    said = ", ".join(f"{name} {100 * probability:.0f} %" for name, probability in parts)
    bar = "".join(f'<i class="fs-{name}" style="width:{100 * probability:.1f}%"></i>' for name, probability in parts)
    return (
        f'<div class="fs-judged" title="{said}"><span class="fs-label fs-{label}">{_SHAPES[label]} {label}</span>'
        f"<b>{wording.polarity(sentiment.polarity)}</b>"
        f'<span class="fs-bar" role="img" aria-label="{said}">{bar}</span></div>'
    )


def _unscored(unscored_reason: str | None) -> str:
    return (
        '<div class="fs-judged fs-unscored"><span class="fs-label">○ not scored</span>'
        f'<span class="fs-why">{escape(wording.reason(unscored_reason))}</span></div>'
    )


def _chip(named: NamedInstrument, name_of: NameOf) -> str:
    return f'<span class="fs-chip">{_link(named.instrument_id, name_of)} {_polarity(named.polarity)}</span>'


def _link(instrument_id: str, name_of: NameOf) -> str:
    return f'<a href="instrument?id={quote(instrument_id, safe="")}" target="_self">{_text(name_of(instrument_id))}</a>'


def _tone(polarity: float) -> str:
    if abs(polarity) < _NEUTRAL_WITHIN:
        return "neutral"
    return "negative" if polarity < 0 else "positive"


def _polarity(polarity: float) -> str:
    tone = _tone(polarity)
    return f'<span class="fs-polarity fs-{tone}">{_SHAPES[tone]} {wording.polarity(polarity)}</span>'


def _diverging(polarity: float) -> str:
    """A bar from the middle: to the left negative, to the right positive."""
    width = 50 * min(abs(polarity), 1.0)
    left = 50 - width if polarity < 0 else 50
    return (
        f'<span class="fs-axis"><i class="fs-{_tone(polarity)}" style="left:{left:.1f}%;width:{width:.1f}%"></i></span>'
    )


def _text(untrusted: str) -> str:
    """Shown literally; `bdi` keeps marks of writing direction from reaching beyond it."""
    return f"<bdi>{escape(untrusted)}</bdi>"


def _with_code(line: str) -> str:
    parts = escape(line).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
