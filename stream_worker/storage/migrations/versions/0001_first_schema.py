"""First schema"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("kafka_offset", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("message_key", sa.LargeBinary(), nullable=True),
        sa.Column(
            "payload",
            sa.LargeBinary(),
            nullable=True,
            comment="the message's bytes; null for a message without a value",
        ),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("topic", "partition", "kafka_offset", name=op.f("dead_letters_pkey")),
    )
    op.create_index(op.f("dead_letters_received_at_idx"), "dead_letters", ["received_at"], unique=False)
    op.create_table(
        "dirty_marks",
        sa.Column("mark_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("mark_id", name=op.f("dirty_marks_pkey")),
    )
    op.create_table(
        "documents",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False, comment="BLAKE2b-128 of the revision's content"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True, comment="or the only text, of a document without title"),
        sa.Column("author", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("unscored_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('news', 'comment')", name=op.f("documents_kind_check")),
        sa.PrimaryKeyConstraint("document_id", "content_digest", name=op.f("documents_pkey")),
    )
    op.create_index(op.f("documents_published_at_idx"), "documents", ["published_at"], unique=False)
    op.create_index(op.f("documents_received_at_idx"), "documents", ["received_at"], unique=False)
    op.create_table(
        "model_versions",
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("manifests", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("champion", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("model_version", name=op.f("model_versions_pkey")),
    )
    op.create_table(
        "publications",
        sa.Column("instrument_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instrument_id", name=op.f("publications_pkey")),
    )
    op.create_table(
        "receipts",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("kafka_offset", sa.BigInteger(), nullable=False),
        sa.Column("message_digest", sa.LargeBinary(), nullable=False, comment="BLAKE2b-128 of the message's bytes"),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=True),
        sa.Column("content_digest", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True, comment="of a dead letter"),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "CASE WHEN outcome = 'dead_letter' THEN reason IS NOT NULL AND document_id IS NULL AND"
            " content_digest IS NULL ELSE reason IS NULL AND document_id IS NOT NULL AND"
            " content_digest IS NOT NULL END",
            name=op.f("receipts_points_to_something_check"),
        ),
        sa.CheckConstraint("outcome IN ('accepted', 'duplicate', 'dead_letter')", name=op.f("receipts_outcome_check")),
        sa.PrimaryKeyConstraint("topic", "partition", "kafka_offset", name=op.f("receipts_pkey")),
    )
    op.create_index(
        op.f("receipts_document_id_content_digest_idx"), "receipts", ["document_id", "content_digest"], unique=False
    )
    op.create_table(
        "windows",
        sa.Column("instrument_id", sa.Text(), nullable=False, comment="'' for the whole market"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False, comment="of published_at, start inclusive"),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.Column("negative_documents", sa.Integer(), nullable=False),
        sa.Column("positive_documents", sa.Integer(), nullable=False),
        sa.Column("polarity_sum", sa.Double(), nullable=False),
        sa.Column("polarity_square_sum", sa.Double(), nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "documents > 0 AND negative_documents + positive_documents <= documents", name=op.f("windows_counts_check")
        ),
        sa.PrimaryKeyConstraint("instrument_id", "kind", "minute", name=op.f("windows_pkey")),
    )
    op.create_index(op.f("windows_minute_idx"), "windows", ["minute"], unique=False)
    op.create_table(
        "mentions",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("span_start", sa.Integer(), nullable=False, comment="code points of the raw text"),
        sa.Column("span_end", sa.Integer(), nullable=False),
        sa.Column("surface", sa.Text(), nullable=False),
        sa.Column("entity_type", sa.Text(), nullable=True),
        sa.Column("instrument_id", sa.Text(), nullable=True),
        sa.Column("matched_by", sa.Text(), nullable=True),
        sa.Column("directory_version", sa.Text(), nullable=False),
        sa.Column("negative", sa.Double(), nullable=True),
        sa.Column("neutral", sa.Double(), nullable=True),
        sa.Column("positive", sa.Double(), nullable=True),
        sa.CheckConstraint("span_start >= 0 AND span_end > span_start", name=op.f("mentions_span_check")),
        sa.ForeignKeyConstraint(
            ["document_id", "content_digest"],
            ["documents.document_id", "documents.content_digest"],
            name=op.f("mentions_document_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("document_id", "content_digest", "span_start", "span_end", name=op.f("mentions_pkey")),
    )
    op.create_table(
        "scores",
        sa.Column("score_id", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("instrument_id", sa.Text(), nullable=False, comment="'' for the document as a whole"),
        sa.Column("role", sa.Text(), server_default=sa.text("'champion'"), nullable=False),
        sa.Column("negative", sa.Double(), nullable=False),
        sa.Column("neutral", sa.Double(), nullable=False),
        sa.Column("positive", sa.Double(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("directory_version", sa.Text(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('champion', 'shadow')", name=op.f("scores_role_check")),
        sa.CheckConstraint(
            "negative >= 0 AND neutral >= 0 AND positive >= 0 AND abs(negative + neutral + positive - 1) < 1e-3",
            name=op.f("scores_probabilities_check"),
        ),
        sa.ForeignKeyConstraint(
            ["document_id", "content_digest"],
            ["documents.document_id", "documents.content_digest"],
            name=op.f("scores_document_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("score_id", name=op.f("scores_pkey")),
    )
    op.create_index(
        "scores_champion_key",
        "scores",
        ["document_id", "content_digest", "instrument_id"],
        unique=True,
        postgresql_where=sa.text("role = 'champion'"),
    )
    op.create_index(
        op.f("scores_instrument_id_published_at_idx"), "scores", ["instrument_id", "published_at"], unique=False
    )
    op.execute("CREATE SEQUENCE publication_version")


def downgrade() -> None:
    raise NotImplementedError("there is nothing before the first schema; drop the database instead")
