"""What can be wrong with a feed."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import structlog

from stream_worker.errors import FeedProblem

_log = structlog.get_logger(__name__)


class Reason(StrEnum):
    """Why a feed could not be fetched or read."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    REFUSED_ADDRESS = "refused_address"
    REFUSED_URL = "refused_url"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    HTTP_STATUS = "http_status"
    GONE = "gone"
    TOO_LARGE = "too_large"
    BAD_ENCODING = "bad_encoding"
    NOT_XML = "not_xml"
    ENTITIES = "entities"
    TRUNCATED = "truncated"
    NOT_A_FEED = "not_a_feed"
    TOO_MANY_ENTRIES = "too_many_entries"
    TOO_COSTLY = "too_costly"
    KAFKA_REFUSED = "kafka_refused"
    UNEXPECTED = "unexpected"


@contextmanager
def blamed_on_the_feed(feed: str) -> Iterator[None]:
    """Every error of fetching or reading is the feed's alone, also one that nobody thought of: it becomes a
    FeedProblem, and where it came from is logged (not its words: they may repeat a URL with its credentials)."""
    try:
        yield
    except FeedProblem:
        raise
    except Exception as error:  # noqa: BLE001 - that is what it is for
        where = [line.strip() for line in traceback.format_tb(error.__traceback__)]
        _log.error("feed causes an unexpected error", feed=feed, error=type(error).__name__, where=where)
        raise FeedProblem(Reason.UNEXPECTED, f"{type(error).__name__} (the log says where)") from None
