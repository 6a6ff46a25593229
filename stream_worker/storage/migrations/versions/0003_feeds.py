"""Feeds that are polled, and what was published of them"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "feeds",
        sa.Column("feed", sa.Text(), nullable=False, comment="its name in the feeds file"),
        sa.Column(
            "url_digest",
            sa.LargeBinary(),
            nullable=False,
            comment="BLAKE2b-128; the URL itself may carry credentials",
        ),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column(
            "body_digest",
            sa.LargeBinary(),
            nullable=True,
            comment="BLAKE2b-128 of the last document that was published as a whole",
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_by", sa.Text(), nullable=True, comment="the process that polls it now"),
        sa.Column(
            "claimed_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="after this time the process is taken for dead",
        ),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True, comment="when it was last claimed"),
        sa.Column(
            "succeeded_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when all that it had was last known to be published",
        ),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="in a row"),
        sa.Column("problem", sa.Text(), nullable=True, comment="of the last failure; null after a success"),
        sa.Column("moved_to", sa.Text(), nullable=True, comment="where permanent redirects lead"),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when its server said that it is gone for good (410)",
        ),
        sa.CheckConstraint("(claimed_by IS NULL) = (claimed_until IS NULL)", name=op.f("feeds_claim_check")),
        sa.PrimaryKeyConstraint("feed", name=op.f("feeds_pkey")),
    )
    op.create_index(op.f("feeds_host_idx"), "feeds", ["host"], unique=False)
    op.create_table(
        "feed_entries",
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column(
            "entry_key", sa.LargeBinary(), nullable=False, comment="BLAKE2b-128 of what identifies it in its feed"
        ),
        sa.Column(
            "text_digest", sa.LargeBinary(), nullable=False, comment="BLAKE2b-128 of the words that were published"
        ),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False, comment="as it was published first"),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="updated_at, or else published_at, as published last",
        ),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False, comment="when the feed last had it"),
        sa.ForeignKeyConstraint(["feed"], ["feeds.feed"], name=op.f("feed_entries_feed_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("feed", "entry_key", name=op.f("feed_entries_pkey")),
    )
    op.create_index(op.f("feed_entries_feed_seen_at_idx"), "feed_entries", ["feed", "seen_at"], unique=False)


def downgrade() -> None:
    op.drop_table("feed_entries")
    op.drop_table("feeds")
