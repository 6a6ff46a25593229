"""One clock: what "now" means to live state, its time to live and screens."""

from datetime import timedelta

from sqlalchemy import text

from stream_worker.settings import Clock

#: The wall's clock is the database's, so that no two machines differ. The stream's is the newest `published_at` seen:
#: it stands still when the stream ends, and what was live then stays on the screens.
NOW = {
    Clock.WALL: text("SELECT clock_timestamp()"),
    Clock.STREAM: text("SELECT coalesce(max(published_at), clock_timestamp()) FROM documents"),
}


def time_to_live(clock: Clock, span: timedelta) -> timedelta | None:
    """How long live state that looks back over `span` may stay where nobody writes it anew; None: for ever, because
    the time of a stream does not pass by itself."""
    return span if clock is Clock.WALL else None
