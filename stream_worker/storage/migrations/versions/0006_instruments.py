"""The directory of instruments, and every state that it ever had"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "directory_changes",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("version", sa.Text(), nullable=False, comment="of the whole directory after the change"),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("cause", sa.Text(), nullable=False, comment="the release, file or command that made it"),
    )
    op.create_index(op.f("directory_changes_version_idx"), "directory_changes", ["version"])
    op.create_table(
        "instrument_revisions",
        sa.Column("instrument_id", sa.Text(), primary_key=True),
        sa.Column("number", sa.BigInteger(), sa.ForeignKey("directory_changes.number"), primary_key=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("row", JSONB(none_as_null=True), nullable=True, comment="as in a directory's file; null: taken out"),
        sa.CheckConstraint("origin IN ('built_in', 'listings', 'own')", name="origin"),
    )


def downgrade() -> None:
    op.drop_table("instrument_revisions")
    op.drop_table("directory_changes")
