"""How long each message was under way"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column(
        "receipts",
        sa.Column(
            "latency_seconds",
            sa.REAL(),
            nullable=True,
            comment="from the message's time in Kafka to the writing of this row",
        ),
    )


def downgrade() -> None:
    op.drop_column("receipts", "latency_seconds")
