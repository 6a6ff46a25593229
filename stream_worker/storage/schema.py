"""The tables. Postgres is the truth: everything else can be rebuilt from here.

receipts        what became of each Kafka message, one row per (topic, partition, offset)
dead_letters    the bytes of the messages that could not become documents
documents       one row per revision: (document_id, content_digest); the current one is the highest. A retraction is
                a revision without text
erasures        documents whose text was erased, and must not come back
mentions        spans of a revision that name something
scores          sentiment of a revision ('' = the document as a whole) or of an instrument in it
dirty_marks     revisions whose windows have not been recomputed since they came
windows         statistics of one instrument, kind and minute, recomputed from rows
publications    instruments whose live state in Redis is older than their windows
model_versions  the manifests of what scored
feeds           where each polled feed stands: validators, when it is due, who polls it, what is wrong with it
feed_entries    what was last published of each entry of a feed
directory_changes     the states of the directory of instruments, one after the other
instrument_revisions  what each change made of an instrument; the highest number is what holds
"""

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

#: `scores.instrument_id` and `windows.instrument_id` of the document, or the market, as a whole.
WHOLE = ""

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

Timestamp = DateTime(timezone=True)

receipts = Table(
    "receipts",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("kafka_offset", BigInteger, primary_key=True),
    Column("message_digest", LargeBinary, nullable=False, comment="BLAKE2b-128 of the message's bytes"),
    Column("outcome", Text, nullable=False),
    Column("document_id", Text),
    Column("content_digest", LargeBinary),
    Column("reason", Text, comment="of a dead letter"),
    Column("batch_id", Text, nullable=False),
    Column("received_at", Timestamp, nullable=False),
    Column("latency_seconds", REAL, comment="from the message's time in Kafka to the writing of this row"),
    CheckConstraint("outcome IN ('accepted', 'duplicate', 'dead_letter', 'erased')", name="outcome"),
    CheckConstraint(
        "CASE WHEN outcome = 'dead_letter' THEN reason IS NOT NULL AND document_id IS NULL AND content_digest IS NULL"
        " ELSE reason IS NULL AND document_id IS NOT NULL AND content_digest IS NOT NULL END",
        name="points_to_something",
    ),
    Index(None, "document_id", "content_digest"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("kafka_offset", BigInteger, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("message_key", LargeBinary),
    Column("payload", LargeBinary, comment="the message's bytes; null for a message without a value"),
    Column("received_at", Timestamp, nullable=False),
    Column("replayed_at", Timestamp),
    Column("erased_at", Timestamp, comment="since when key, payload and detail are gone"),
    Index(None, "received_at"),
)

documents = Table(
    "documents",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("content_digest", LargeBinary, primary_key=True, comment="BLAKE2b-128 of the revision's content"),
    Column("is_retraction", Boolean, nullable=False, server_default=text("false")),
    Column("lane", Text, nullable=False, server_default=text("'live'"), comment="of the topic it came on"),
    Column("source", Text, nullable=False),
    Column("source_id", Text),
    Column("kind", Text),
    Column("url", Text),
    Column("title", Text),
    Column("body", Text, comment="or the only text, of a document without title"),
    Column("author", Text),
    Column("language", Text),
    Column("published_at", Timestamp),
    Column("updated_at", Timestamp),
    Column("received_at", Timestamp, nullable=False),
    Column("unscored_reason", Text),
    Column(
        "truncated",
        Boolean,
        comment="whether the text goes on where the models stopped reading; null where it was not scored, or before "
        "this was kept",
    ),
    Column("erased_at", Timestamp, comment="since when source_id, url, title, body and author are gone"),
    CheckConstraint("kind IN ('news', 'comment')", name="kind"),
    CheckConstraint("lane IN ('live', 'backfill')", name="lane"),
    CheckConstraint(
        "CASE WHEN is_retraction THEN updated_at IS NOT NULL AND num_nonnulls(title, body) = 0"
        " ELSE kind IS NOT NULL AND published_at IS NOT NULL"
        " AND (num_nonnulls(title, body) > 0 OR erased_at IS NOT NULL) END",
        name="says_something",
    ),
    Index(None, "published_at"),
    Index(None, "received_at"),
)

erasures = Table(
    "erasures",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("erased_at", Timestamp, nullable=False),
    Column("reason", Text, nullable=False, comment="who asked, and why: what an auditor wants to know"),
)

_REVISION = ("document_id", "content_digest")


def _of_a_revision() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(_REVISION, [documents.c.document_id, documents.c.content_digest], ondelete="CASCADE")


mentions = Table(
    "mentions",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("content_digest", LargeBinary, primary_key=True),
    Column("span_start", Integer, primary_key=True, comment="code points of the raw text"),
    Column("span_end", Integer, primary_key=True),
    Column("surface", Text, nullable=False, comment="'' where it was erased"),
    Column("entity_type", Text),
    Column("instrument_id", Text),
    Column("matched_by", Text),
    Column("directory_version", Text, nullable=False),
    Column("relevance", Double, nullable=False, comment="prominence of its place in the text"),
    Column("negative", Double),
    Column("neutral", Double),
    Column("positive", Double),
    CheckConstraint("relevance BETWEEN 0 AND 1", name="relevance"),
    CheckConstraint("span_start >= 0 AND span_end > span_start", name="span"),
    _of_a_revision(),
)

scores = Table(
    "scores",
    metadata,
    Column("score_id", Text, primary_key=True),
    Column("document_id", Text, nullable=False),
    Column("content_digest", LargeBinary, nullable=False),
    Column("instrument_id", Text, nullable=False, comment="'' for the document as a whole"),
    Column("role", Text, nullable=False, server_default=text("'champion'")),
    Column("relevance", Double, comment="null for the document as a whole"),
    Column("negative", Double, nullable=False),
    Column("neutral", Double, nullable=False),
    Column("positive", Double, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("directory_version", Text, nullable=False),
    Column("code_version", Text, nullable=False),
    Column("published_at", Timestamp, nullable=False),
    Column("scored_at", Timestamp, nullable=False),
    CheckConstraint("role IN ('champion', 'shadow')", name="role"),
    CheckConstraint(
        "CASE WHEN instrument_id = '' THEN relevance IS NULL"
        " ELSE relevance IS NOT NULL AND relevance BETWEEN 0 AND 1 END",
        name="relevance",
    ),
    CheckConstraint(
        "negative >= 0 AND neutral >= 0 AND positive >= 0 AND abs(negative + neutral + positive - 1) < 1e-3",
        name="probabilities",
    ),
    _of_a_revision(),
    Index(
        "scores_champion_key",
        "document_id",
        "content_digest",
        "instrument_id",
        unique=True,
        postgresql_where=text("role = 'champion'"),
    ),
    Index(None, "instrument_id", "published_at"),
)

dirty_marks = Table(
    "dirty_marks",
    metadata,
    Column("mark_id", BigInteger, Identity(always=True), primary_key=True),
    Column("document_id", Text, nullable=False),
)

windows = Table(
    "windows",
    metadata,
    Column("instrument_id", Text, primary_key=True, comment="'' for the whole market"),
    Column("kind", Text, primary_key=True),
    Column("minute", Timestamp, primary_key=True, comment="of published_at, start inclusive"),
    Column("documents", Integer, nullable=False),
    Column("negative_documents", Integer, nullable=False),
    Column("positive_documents", Integer, nullable=False),
    Column("polarity_sum", Double, nullable=False),
    Column("polarity_square_sum", Double, nullable=False),
    Column("computed_at", Timestamp, nullable=False),
    CheckConstraint("documents > 0 AND negative_documents + positive_documents <= documents", name="counts"),
    Index(None, "minute"),
)

publications = Table(
    "publications",
    metadata,
    Column("instrument_id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("model_version", Text, primary_key=True),
    Column("manifests", JSONB, nullable=False),
    Column("first_seen_at", Timestamp, nullable=False),
    Column("champion", Boolean, nullable=False, server_default=text("true")),
)

feeds = Table(
    "feeds",
    metadata,
    Column("feed", Text, primary_key=True, comment="its name in the feeds file"),
    Column("url_digest", LargeBinary, nullable=False, comment="BLAKE2b-128; the URL itself may carry credentials"),
    Column("host", Text, nullable=False),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("body_digest", LargeBinary, comment="BLAKE2b-128 of the last document that was published as a whole"),
    Column("due_at", Timestamp, nullable=False),
    Column("claimed_by", Text, comment="the process that polls it now"),
    Column("claimed_until", Timestamp, comment="after this time the process is taken for dead"),
    Column("asked_at", Timestamp, comment="when it was last claimed"),
    Column("succeeded_at", Timestamp, comment="when all that it had was last known to be published"),
    Column("failures", Integer, nullable=False, server_default=text("0"), comment="in a row"),
    Column("problem", Text, comment="of the last failure; null after a success"),
    Column("moved_to", Text, comment="where permanent redirects lead"),
    Column("gone_at", Timestamp, comment="when its server said that it is gone for good (410)"),
    CheckConstraint("(claimed_by IS NULL) = (claimed_until IS NULL)", name="claim"),
    Index(None, "host"),
)

feed_entries = Table(
    "feed_entries",
    metadata,
    Column("feed", Text, ForeignKey("feeds.feed", ondelete="CASCADE"), primary_key=True),
    Column("entry_key", LargeBinary, primary_key=True, comment="BLAKE2b-128 of what identifies it in its feed"),
    Column("text_digest", LargeBinary, nullable=False, comment="BLAKE2b-128 of the words that were published"),
    Column("published_at", Timestamp, nullable=False, comment="as it was published first"),
    Column("changed_at", Timestamp, nullable=False, comment="updated_at, or else published_at, as published last"),
    Column("seen_at", Timestamp, nullable=False, comment="when the feed last had it"),
    Index(None, "feed", "seen_at"),
)

directory_changes = Table(
    "directory_changes",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("version", Text, nullable=False, comment="of the whole directory after the change"),
    Column("made_at", Timestamp, nullable=False, server_default=text("now()")),
    Column("cause", Text, nullable=False, comment="the release, file or command that made it"),
    Index(None, "version"),
)

instrument_revisions = Table(
    "instrument_revisions",
    metadata,
    Column("instrument_id", Text, primary_key=True),
    Column("number", BigInteger, ForeignKey("directory_changes.number"), primary_key=True),
    Column("origin", Text, nullable=False),
    Column("row", JSONB(none_as_null=True), comment="as in a directory's file; null: taken out"),
    CheckConstraint("origin IN ('built_in', 'listings', 'own')", name="origin"),
)

#: SQL that holds for rows `d` of documents that are the current revision of their document: the one with the highest
#: time of change, then a retraction, then the highest digest. A current revision without a score (a retraction, or an
#: unscored one) takes its document out of the windows.
IS_CURRENT = """NOT EXISTS (
    SELECT FROM documents newer WHERE newer.document_id = d.document_id
    AND (coalesce(newer.updated_at, newer.published_at), newer.is_retraction, newer.content_digest)
        > (coalesce(d.updated_at, d.published_at), d.is_retraction, d.content_digest)
)"""

#: SQL that holds for rows `d` of documents that a screen may show.
IS_SHOWN = f"""NOT d.is_retraction AND d.erased_at IS NULL AND {IS_CURRENT}"""
