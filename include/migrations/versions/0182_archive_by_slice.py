"""archived_documents by slice: the tab *Requests* of document_archive.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0182"
down_revision = "0181"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index without a lock that others wait for."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS archive_of_slice")
        # requests_of_slices
        op.execute("""CREATE INDEX CONCURRENTLY archive_of_slice ON archived_documents (slice_id)
                      WHERE slice_id IS NOT NULL""")


def downgrade() -> None:
    """Drop the index."""
    op.execute("DROP INDEX archive_of_slice")
