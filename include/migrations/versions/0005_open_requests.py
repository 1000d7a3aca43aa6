"""Indexes for the requests that the intake counts and finds by time.

Runs: before the code that needs it. On a large table in use, create both by hand before, with CONCURRENTLY.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Their cost depends on the open requests and on the requested time, not on the history."""
    # count_open_requests, with every scrape of /metrics.
    op.execute("""CREATE INDEX IF NOT EXISTS open_requests ON document_requests (status, created_at)
                  WHERE status IN ('QUEUED', 'PROCESSING')""")
    # find_requests, count_requests: rows are stored roughly in order of creation, so a few kB of summaries suffice.
    op.execute("""CREATE INDEX IF NOT EXISTS requests_by_creation ON document_requests
                  USING brin (created_at) WITH (autosummarize = on)""")


def downgrade() -> None:
    """The same queries work, but slower."""
    op.execute("DROP INDEX requests_by_creation, open_requests")
