"""Fewer indexes to write: a request costs the database a tenth less, and every query still has its index.

Runs: before or after the code; only the speed changes. Other sessions are not blocked. If a run was interrupted, the
next one creates its incomplete indexes again.
"""

from collections.abc import Iterable, Mapping

from alembic import op

revision = "0070"
down_revision = "0060"
branch_labels = None
depends_on = None

OPEN = "status IN ('QUEUED', 'PROCESSING')"
NEW = {
    # document_processing_due_in: when the next queued request is due. count_open_requests, late_work: open requests.
    "open_requests_by_due_at": f"document_requests (status, due_at) INCLUDE (created_at) WHERE {OPEN}",
    # hold_documents, renew_archive_leases, given_up_documents: documents of a slice that are not archived.
    "archive_of_slice": "archived_documents (slice_id) WHERE archived_at IS NULL",
    # requests_of_slices: requests that a slice has worked. Slice ids grow with time, and so do their entries. So block
    # ranges find a slice among ten million requests in milliseconds, and cost almost nothing to maintain.
    "timeline_by_slice": "request_timeline USING brin (slice_id) WITH (autosummarize = on)",
}
OLD = {
    "open_requests": f"document_requests (status, created_at) WHERE {OPEN}",
    "queued_requests_by_due_at": "document_requests (due_at) WHERE status = 'QUEUED'",
    "timeline_of_slice": "request_timeline (slice_id, request_id) WHERE slice_id IS NOT NULL",
}
# No query uses these. Their sources are unique by other constraints: (request_id, revision), (request_id, attempt).
NEVER_ASKED = (
    ("final_events", "final_events_event_id_key", "event_id"),
    ("thunderhead_batches", "thunderhead_batches_batch_name_key", "batch_name"),
)


def upgrade() -> None:
    """Replace the indexes. The timeline's key becomes (request_id, entry_id): one index instead of two."""
    _replace(OLD, NEW)
    _replace((), {"timeline_key": "request_timeline (request_id, entry_id)"}, "UNIQUE ")
    op.execute("""ALTER TABLE request_timeline DROP CONSTRAINT request_timeline_pkey,
                  ADD CONSTRAINT request_timeline_pkey PRIMARY KEY USING INDEX timeline_key""")
    op.execute("DROP INDEX timeline_of_request")
    for table, constraint, _ in NEVER_ASKED:
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")


def downgrade() -> None:
    """Restore the former indexes."""
    for table, constraint, column in NEVER_ASKED:
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} UNIQUE ({column})")
    op.execute("ALTER TABLE request_timeline DROP CONSTRAINT request_timeline_pkey, ADD PRIMARY KEY (entry_id)")
    op.execute("CREATE INDEX timeline_of_request ON request_timeline (request_id, entry_id)")
    _replace(NEW, OLD)


def _replace(old: Iterable[str], new: Mapping[str, str], unique: str = "") -> None:
    """Create indexes, then drop others, without blocking. PostgreSQL requires this outside of a transaction."""
    with op.get_context().autocommit_block():
        for name, what in new.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE {unique}INDEX CONCURRENTLY {name} ON {what}")
        for name in old:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
