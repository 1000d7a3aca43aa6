"""What was learnt of a document when it was first fetched: SHA-256, size and number of pages.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0200"
down_revision = "0250"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. Null: nobody has fetched the document yet, or, for the pages, they cannot be counted."""
    op.execute("""ALTER TABLE thunderhead_batches
        ADD COLUMN document_sha256 bytea,
        ADD COLUMN document_bytes bigint,
        ADD COLUMN document_pages integer""")


def downgrade() -> None:
    """Drop the columns. The next fetch of a document would learn them anew."""
    op.execute("""ALTER TABLE thunderhead_batches
        DROP COLUMN document_sha256, DROP COLUMN document_bytes, DROP COLUMN document_pages""")
