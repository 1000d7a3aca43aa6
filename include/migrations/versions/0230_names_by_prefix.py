"""requests_by_correlation_id: correlation ids by their beginning, by the index that keeps them unique.

Runs: before or after the code; only the speed changes. Other sessions are not blocked. If a run was interrupted, the
next one creates its incomplete index again.
"""

from alembic import op

revision = "0230"
down_revision = "0221"
branch_labels = None
depends_on = None

KEY = "document_requests_source_system_request_correlation_id_key"
# what_begins_with: with text_pattern_ops the order is that of the bytes in every collation, so a prefix is a range.
# Equality and ON CONFLICT (source_system, request_correlation_id) use it, too.
INDEX = "requests_by_correlation_id"


def upgrade() -> None:
    """Replace the constraint by a unique index of the same columns."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
        op.execute(f"""CREATE UNIQUE INDEX CONCURRENTLY {INDEX}
                       ON document_requests (source_system, request_correlation_id text_pattern_ops)""")
    # The index above keeps what the constraint kept.
    op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE document_requests DROP CONSTRAINT IF EXISTS {KEY}")


def downgrade() -> None:
    """Restore the constraint."""
    op.execute(f"ALTER TABLE document_requests ADD CONSTRAINT {KEY} UNIQUE (source_system, request_correlation_id)")
    op.execute(f"DROP INDEX {INDEX}")
