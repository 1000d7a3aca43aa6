"""source_systems: every source system that has a request, a view.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0262"
down_revision = "0261"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the view: one probe of an index for each source system, however many requests these have."""
    op.execute("""
        CREATE VIEW source_systems AS
        WITH RECURSIVE systems AS (
            (SELECT source_system FROM document_requests ORDER BY source_system LIMIT 1)
            UNION ALL
            SELECT (SELECT r.source_system FROM document_requests r
                    WHERE r.source_system > s.source_system ORDER BY r.source_system LIMIT 1)
            FROM systems s WHERE s.source_system IS NOT NULL
        )
        SELECT source_system FROM systems WHERE source_system IS NOT NULL""")


def downgrade() -> None:
    """Drop the view."""
    op.execute("DROP VIEW source_systems")
