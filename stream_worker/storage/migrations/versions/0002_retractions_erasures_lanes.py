"""Retractions, erasures, lanes"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_SAYS_SOMETHING = (
    "CASE WHEN is_retraction THEN updated_at IS NOT NULL AND num_nonnulls(title, body) = 0"
    " ELSE kind IS NOT NULL AND published_at IS NOT NULL"
    " AND (num_nonnulls(title, body) > 0 OR erased_at IS NOT NULL) END"
)


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="who asked, and why: what an auditor wants to know"),
        sa.PrimaryKeyConstraint("document_id", name=op.f("erasures_pkey")),
    )
    op.alter_column("documents", "kind", nullable=True)
    op.alter_column("documents", "published_at", nullable=True)
    op.add_column(
        "documents", sa.Column("is_retraction", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
    op.add_column(
        "documents",
        sa.Column(
            "lane",
            sa.Text(),
            nullable=False,
            server_default=sa.text("'live'"),
            comment="of the topic it came on",
        ),
    )
    op.add_column(
        "documents",
        sa.Column(
            "erased_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="since when source_id, url, title, body and author are gone",
        ),
    )
    op.create_check_constraint(op.f("documents_lane_check"), "documents", "lane IN ('live', 'backfill')")
    op.create_check_constraint(op.f("documents_says_something_check"), "documents", _SAYS_SOMETHING)
    op.add_column(
        "dead_letters",
        sa.Column(
            "erased_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="since when key, payload and detail are gone",
        ),
    )
    op.alter_column("mentions", "surface", comment="'' where it was erased")
    op.drop_constraint(op.f("receipts_outcome_check"), "receipts")
    op.create_check_constraint(
        op.f("receipts_outcome_check"), "receipts", "outcome IN ('accepted', 'duplicate', 'dead_letter', 'erased')"
    )
