"""Indexes for the jobs of operators and housekeeping; tables for age alarms and daily reconciliations.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0010"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEXES = (
    # select_requests: requests that can be retriggered, newest first. They are a small part of all ended requests.
    """CREATE INDEX red_requests ON document_requests (request_id) WHERE status IN ('FAILED', 'STOPPED')""",
    # erase_content, document_types_with_content: ended requests that still have their content.
    """CREATE INDEX requests_with_content ON document_requests (document_type, ended_at)
       WHERE ended_at IS NOT NULL AND erased_at IS NULL""",
    # The reconciliation's windows of time. Block ranges cost almost nothing to maintain, and are precise enough for
    # rows that are written in the order of time.
    "CREATE INDEX timeline_by_at ON request_timeline USING brin (at) WITH (autosummarize = on)",
    "CREATE INDEX events_by_created_at ON final_events USING brin (created_at) WITH (autosummarize = on)",
    "CREATE INDEX batches_by_created_at ON thunderhead_batches USING brin (created_at) WITH (autosummarize = on)",
    # prune_slices: whether an error still names the slice.
    "CREATE INDEX errors_of_slice ON request_errors (slice_id) WHERE slice_id IS NOT NULL",
)

AGE_ALARMS = """
    CREATE TABLE age_alarms (
        state text PRIMARY KEY,
        late boolean NOT NULL,                    -- at the last check
        looks integer NOT NULL DEFAULT 0,         -- checks in a row that differed from what was told
        told_late boolean NOT NULL DEFAULT false  -- what the operators were told
    )"""

RECONCILIATIONS = """
    CREATE TABLE reconciliations (
        window_from timestamptz NOT NULL,
        window_to timestamptz NOT NULL,
        made_at timestamptz NOT NULL DEFAULT now(),
        dag_run_id text NOT NULL,
        adds_up boolean NOT NULL,
        counts jsonb NOT NULL,
        discrepancies jsonb NOT NULL,  -- the first ones of each kind
        report text NOT NULL,          -- Markdown, for a person
        PRIMARY KEY (window_from, window_to)
    )"""


def upgrade() -> None:
    """Add indexes and tables. They do not change what the running code does."""
    op.execute("ALTER TABLE document_requests ADD COLUMN erased_at timestamptz")
    for statement in (*INDEXES, AGE_ALARMS, RECONCILIATIONS):
        op.execute(statement)
    # Housekeeping deletes old slices. With these foreign keys, each deletion would scan all requests and batches. The
    # key of request_errors stays: it keeps the slices that lead from an error to its DAG run.
    op.execute("ALTER TABLE document_requests DROP CONSTRAINT document_requests_slice_id_fkey")
    op.execute("ALTER TABLE thunderhead_batches DROP CONSTRAINT thunderhead_batches_slice_id_fkey")


def downgrade() -> None:
    """Restore the keys. Erased content stays erased; references to deleted slices become null."""
    for table in ("document_requests", "thunderhead_batches"):
        op.execute(f"""UPDATE {table} t SET slice_id = NULL
                       WHERE NOT EXISTS (SELECT FROM slices s WHERE s.slice_id = t.slice_id)""")  # noqa: S608
        op.execute(f"ALTER TABLE {table} ADD FOREIGN KEY (slice_id) REFERENCES slices")
    op.execute("DROP TABLE reconciliations, age_alarms")
    for index in (
        "red_requests", "requests_with_content", "timeline_by_at", "events_by_created_at", "batches_by_created_at",
        "errors_of_slice",
    ):  # fmt: skip
        op.execute(f"DROP INDEX {index}")
    op.execute("ALTER TABLE document_requests DROP COLUMN erased_at")
