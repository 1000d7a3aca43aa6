"""Indexes for what the intake counts and finds by time.

Runs: before the code that needs it. On a large table that is in use, make both CONCURRENTLY beforehand, by hand.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Their cost is that of the open requests, and of the time asked for; not that of the history."""
    # count_open_requests, with every scrape of /metrics.
    op.execute("""CREATE INDEX IF NOT EXISTS open_requests ON document_requests (status, created_at)
                  WHERE status IN ('QUEUED', 'PROCESSING')""")
    # find_requests, count_requests: rows lie in the table by creation, more or less, so a few kB of summaries will do.
    op.execute("""CREATE INDEX IF NOT EXISTS requests_by_creation ON document_requests
                  USING brin (created_at) WITH (autosummarize = on)""")


def downgrade() -> None:
    """The same questions are answered, more slowly."""
    op.execute("DROP INDEX requests_by_creation, open_requests")
