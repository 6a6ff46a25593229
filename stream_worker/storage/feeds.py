"""Where each feed stands: who polls it, when it is due, and what was published of it. Times are the database's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class FeedRecord:
    """A feed of the feeds file."""

    feed: str
    url_digest: bytes
    host: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A feed that this process may poll now, and what is known of it."""

    feed: str
    etag: str | None
    last_modified: str | None
    body_digest: bytes | None
    failures: int


@dataclass(frozen=True, slots=True)
class Published:
    """What was last published of an entry; see `schema.feed_entries`."""

    text_digest: bytes
    published_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """What a feed's document is recognised by the next time."""

    etag: str | None
    last_modified: str | None
    body_digest: bytes | None


#: Recognised by nothing: read as if it were new.
UNKNOWN = Version(None, None, None)

#: A feed whose URL has changed begins anew, but for what was published of it.
_ENLIST = text("""
    INSERT INTO feeds (feed, url_digest, host, due_at)
    SELECT feed, url_digest, host, now()
    FROM unnest(CAST(:feeds AS text[]), CAST(:url_digests AS bytea[]), CAST(:hosts AS text[]))
        AS listed(feed, url_digest, host)
    ORDER BY feed
    ON CONFLICT (feed) DO UPDATE SET url_digest = excluded.url_digest, host = excluded.host, due_at = now(),
        etag = NULL, last_modified = NULL, body_digest = NULL, failures = 0, problem = NULL, moved_to = NULL,
        gone_at = NULL
    WHERE feeds.url_digest <> excluded.url_digest OR (feeds.gone_at IS NOT NULL AND CAST(:retry_gone AS boolean))
""")
#: One claims at a time, so that two processes do not both find a host idle.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('finsentry.feeds.claim'))")
_CLAIM = text("""
    WITH idle AS (
        SELECT DISTINCT ON (host) feed, due_at FROM feeds f
        WHERE feed = ANY(:feeds) AND gone_at IS NULL AND due_at <= now()
        AND NOT EXISTS (
            SELECT FROM feeds other WHERE other.host = f.host
            AND (other.claimed_until > now() OR other.asked_at > now() - make_interval(secs => :host_seconds))
        )
        ORDER BY host, due_at, feed
    )
    UPDATE feeds SET claimed_by = :process, claimed_until = now() + make_interval(secs => :lease_seconds),
        asked_at = now()
    WHERE feed IN (SELECT feed FROM idle ORDER BY due_at LIMIT :at_most)
    RETURNING feed, etag, last_modified, body_digest, failures
""")
_RENEW = text("""
    UPDATE feeds SET claimed_until = now() + make_interval(secs => :lease_seconds)
    WHERE claimed_by = :process AND feed = ANY(:feeds)
""")
_RELEASE = text("UPDATE feeds SET claimed_by = NULL, claimed_until = NULL WHERE claimed_by = :process")
_SUCCEEDED = text("""
    UPDATE feeds SET claimed_by = NULL, claimed_until = NULL, due_at = now() + make_interval(secs => :pause_seconds),
        etag = :etag, last_modified = :last_modified, body_digest = :body_digest, moved_to = :moved_to,
        succeeded_at = now(), failures = 0, problem = NULL
    WHERE feed = :feed AND claimed_by = :process
""")
_FAILED = text("""
    UPDATE feeds SET claimed_by = NULL, claimed_until = NULL, due_at = now() + make_interval(secs => :pause_seconds),
        failures = failures + 1, problem = :problem, gone_at = CASE WHEN CAST(:gone AS boolean) THEN now() END
    WHERE feed = :feed AND claimed_by = :process
""")
_KNOWN = text("""
    SELECT entry_key, text_digest, published_at, changed_at FROM feed_entries
    WHERE feed = :feed AND entry_key = ANY(:keys)
""")
_REMEMBER = text("""
    INSERT INTO feed_entries (feed, entry_key, text_digest, published_at, changed_at, seen_at)
    SELECT :feed, entry.*, now()
    FROM unnest(CAST(:keys AS bytea[]), CAST(:text_digests AS bytea[]), CAST(:published AS timestamptz[]),
        CAST(:changed AS timestamptz[])) AS entry
    ON CONFLICT (feed, entry_key) DO UPDATE SET text_digest = excluded.text_digest,
        published_at = excluded.published_at, changed_at = excluded.changed_at, seen_at = excluded.seen_at
""")
_FORGET = text("""
    DELETE FROM feed_entries WHERE feed = :feed AND (seen_at, entry_key) < (
        SELECT seen_at, entry_key FROM feed_entries WHERE feed = :feed
        ORDER BY seen_at DESC, entry_key DESC OFFSET :kept - 1 LIMIT 1
    )
""")


async def enlist(connection: AsyncConnection, records: Sequence[FeedRecord], *, retry_gone: bool) -> None:
    """Make a row for each feed that has none; begin anew with feeds that have another URL, or (if asked) were gone."""
    columns = {
        "feeds": [record.feed for record in records],
        "url_digests": [record.url_digest for record in records],
        "hosts": [record.host for record in records],
    }
    await connection.execute(_ENLIST, {**columns, "retry_gone": retry_gone})


async def claim(
    connection: AsyncConnection,
    process: str,
    feeds: Sequence[str],
    *,
    at_most: int,
    lease_seconds: float,
    host_seconds: float,
) -> list[Claim]:
    """Take feeds that are due and that nobody polls, the longest due first; of each host one, and only when no feed of
    that host is being polled or was claimed within `host_seconds`."""
    await connection.execute(_LOCK)
    rows = await connection.execute(
        _CLAIM,
        {
            "process": process,
            "feeds": list(feeds),
            "at_most": at_most,
            "lease_seconds": lease_seconds,
            "host_seconds": host_seconds,
        },
    )
    return [Claim(*row) for row in rows]


async def renew(connection: AsyncConnection, process: str, feeds: Sequence[str], lease_seconds: float) -> None:
    """Say that the process still polls these feeds."""
    parameters = {"process": process, "feeds": list(feeds), "lease_seconds": lease_seconds}
    await connection.execute(_RENEW, parameters)


async def release(connection: AsyncConnection, process: str) -> None:
    """Give back all that the process had claimed; it is due as before."""
    await connection.execute(_RELEASE, {"process": process})


async def succeeded(
    connection: AsyncConnection, process: str, feed: str, version: Version, moved_to: str | None, pause_seconds: float
) -> None:
    """All that the feed had is published; it is due again after the pause. Nothing happens if the claim is lost."""
    parameters = {
        "process": process,
        "feed": feed,
        "etag": version.etag,
        "last_modified": version.last_modified,
        "body_digest": version.body_digest,
        "moved_to": moved_to,
        "pause_seconds": pause_seconds,
    }
    await connection.execute(_SUCCEEDED, parameters)


async def failed(
    connection: AsyncConnection, process: str, feed: str, problem: str, pause_seconds: float, *, gone: bool
) -> None:
    """The feed is due again after the pause, or never if it is gone. Nothing happens if the claim is lost."""
    parameters = {"process": process, "feed": feed, "problem": problem, "pause_seconds": pause_seconds, "gone": gone}
    await connection.execute(_FAILED, parameters)


async def known_entries(connection: AsyncConnection, feed: str, keys: Sequence[bytes]) -> dict[bytes, Published]:
    """What was published of these entries; those of which nothing was are missing."""
    rows = await connection.execute(_KNOWN, {"feed": feed, "keys": list(keys)})
    return {key: Published(*rest) for key, *rest in rows}


async def remember(connection: AsyncConnection, feed: str, entries: Mapping[bytes, Published]) -> None:
    """Note what Kafka has acknowledged, and that the feed has these entries now."""
    columns = {
        "keys": list(entries),
        "text_digests": [entry.text_digest for entry in entries.values()],
        "published": [entry.published_at for entry in entries.values()],
        "changed": [entry.changed_at for entry in entries.values()],
    }
    await connection.execute(_REMEMBER, {"feed": feed, **columns})


async def forget_oldest(connection: AsyncConnection, feed: str, kept: int) -> None:
    """Keep the so many entries that the feed had last."""
    await connection.execute(_FORGET, {"feed": feed, "kept": kept})
