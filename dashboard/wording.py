"""Numbers, times and reasons as a reader wants them. Times are UTC."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from stream_worker.domain.language import Abstention

#: A minus sign as wide as a plus sign, so that columns of numbers stand still.
_MINUS = "\N{MINUS SIGN}"

_REASONS: dict[str, str] = {
    Abstention.OTHER_LANGUAGE: "not in a language that the models read",
    Abstention.NO_WORDS: "too few words to judge",
}


def polarity(value: float | None) -> str:
    """+0.42, −0.07 or 0.00; a dash where there is none."""
    if value is None:
        return "–"
    rounded = f"{abs(value):.2f}"
    if rounded == "0.00":
        return rounded
    return f"{'+' if value > 0 else _MINUS}{rounded}"


def count(value: int) -> str:
    """With thin spaces between thousands."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def documents(number: int) -> str:
    """1 document, 2 documents."""
    return f"{count(number)} document{'' if number == 1 else 's'}"


def share(part: int, whole: int) -> str:
    """In whole per cent; a dash where there is nothing to share."""
    return f"{100 * part / whole:.0f} %" if whole else "–"


def moment(time: datetime) -> str:
    """2026-11-24 12:03:11 UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def time_of_day(time: datetime, as_of: datetime) -> str:
    """12:03:11; with the day before it where that is not the day of `as_of`."""
    time, as_of = time.astimezone(UTC), as_of.astimezone(UTC)
    return f"{time:%H:%M:%S}" if time.date() == as_of.date() else f"{time:%d %b %H:%M}"


def reason(unscored_reason: str | None) -> str:
    """Why a document has no sentiment."""
    if unscored_reason is None:
        return "no score yet"
    return _REASONS.get(unscored_reason) or unscored_reason.replace("_", " ")


def safe_url(url: str | None) -> str | None:
    """The URL where it leads to a web page; None for any other scheme and for what is no URL."""
    if url is None or not url.isprintable() or any(character.isspace() for character in url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme.lower() in ("http", "https") and parts.netloc else None


def duration(length: timedelta) -> str:
    """min, 15 min, 2 h: what stands behind "per"."""
    minutes = length // timedelta(minutes=1)
    if minutes == 1:
        return "min"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h"
