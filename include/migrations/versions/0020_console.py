"""Indexes of the operators' console: one for each search filter, and one for the requests of a slice.

Runs: before the code that needs it. On a large table in use, create them by hand before, with CONCURRENTLY.
"""

from alembic import op

revision = "0020"
down_revision = "0010"
branch_labels = None
depends_on = None

INDEXES = {
    # requests_of_slices: requests that a slice has worked.
    "timeline_of_slice": "request_timeline (slice_id, request_id) WHERE slice_id IS NOT NULL",
    "batches_of_slice": "thunderhead_batches (slice_id, request_id) WHERE status = 'PROCESSING_THUNDERHEAD'",
    # select_requests: by document, newest first.
    "requests_of_document": "document_requests (document_name, request_id)",
    "requests_of_document_type": "document_requests (document_type, request_id)",
    # select_requests: by error category.
    "errors_by_category": "request_errors (category, request_id)",
    # retrying_by_category, stock, select_requests: attempts spent, not ended.
    "retrying_requests": "document_requests (request_id) WHERE spent > 0 AND ended_at IS NULL",
    # ends_over_time: ends of the last hours, with their status.
    "ended_requests": "document_requests (ended_at, status) WHERE ended_at IS NOT NULL",
    # stock: final events that are set aside.
    "set_aside_events": "final_events (event_seq) WHERE set_aside_at IS NOT NULL",
}


def upgrade() -> None:
    """Add indexes. They do not change what the running code does."""
    for name, what in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON {what}")


def downgrade() -> None:
    """The console finds the same, but slower."""
    op.execute(f"DROP INDEX {', '.join(INDEXES)}")
