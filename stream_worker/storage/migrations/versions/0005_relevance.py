"""Relevance of mentions and scores, and whether a text was read to its end"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

#: What `domain.relevance` says at this revision, for rows from before it.
_MENTIONS = """
    UPDATE mentions m SET relevance = CASE
        WHEN d.title IS NULL OR d.body IS NULL THEN power(2.0::float8, -m.span_start / 1000.0)
        WHEN m.span_start <= char_length(d.title) THEN 1
        ELSE 0.5 * power(2.0::float8, (char_length(d.title) + 1 - m.span_start) / 1000.0)
    END
    FROM documents d WHERE (d.document_id, d.content_digest) = (m.document_id, m.content_digest)
"""
_SCORES = """
    UPDATE scores s SET relevance = m.relevance FROM (
        SELECT document_id, content_digest, instrument_id, max(relevance) AS relevance FROM mentions
        WHERE instrument_id IS NOT NULL GROUP BY document_id, content_digest, instrument_id
    ) m WHERE (m.document_id, m.content_digest, m.instrument_id) = (s.document_id, s.content_digest, s.instrument_id)
"""
_SCORE_RELEVANCE = (
    "CASE WHEN instrument_id = '' THEN relevance IS NULL ELSE relevance IS NOT NULL AND relevance BETWEEN 0 AND 1 END"
)


def upgrade() -> None:
    op.add_column(
        "documents",
        sa.Column(
            "truncated",
            sa.Boolean(),
            nullable=True,
            comment="whether the text goes on where the models stopped reading; null where it was not scored, or "
            "before this was kept",
        ),
    )
    op.add_column(
        "mentions", sa.Column("relevance", sa.Double(), nullable=True, comment="prominence of its place in the text")
    )
    op.add_column(
        "scores",
        sa.Column("relevance", sa.Double(), nullable=True, comment="null for the document as a whole"),
    )
    op.execute(_MENTIONS)
    op.execute(_SCORES)
    op.alter_column("mentions", "relevance", nullable=False)
    op.create_check_constraint(op.f("mentions_relevance_check"), "mentions", "relevance BETWEEN 0 AND 1")
    op.create_check_constraint(op.f("scores_relevance_check"), "scores", _SCORE_RELEVANCE)


def downgrade() -> None:
    op.drop_column("scores", "relevance")
    op.drop_column("mentions", "relevance")
    op.drop_column("documents", "truncated")
