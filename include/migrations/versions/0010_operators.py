"""Operators' and housekeeping jobs: what they need to find things by, the age alarms, the daily reconciliations.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0010"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEXES = (
    # select_requests: what can be retriggered, newest first. A small part of all that has ended.
    """CREATE INDEX red_requests ON document_requests (request_id) WHERE status IN ('FAILED', 'STOPPED')""",
    # erase_content, document_types_with_content: what has ended and still has its content.
    """CREATE INDEX requests_with_content ON document_requests (document_type, ended_at)
       WHERE ended_at IS NOT NULL AND erased_at IS NULL""",
    # The reconciliation's windows of time. Block ranges: next to nothing to keep, and good enough for rows that
    # are written in the order of their time.
    "CREATE INDEX timeline_by_at ON request_timeline USING brin (at) WITH (autosummarize = on)",
    "CREATE INDEX events_by_created_at ON final_events USING brin (created_at) WITH (autosummarize = on)",
    "CREATE INDEX batches_by_created_at ON thunderhead_batches USING brin (created_at) WITH (autosummarize = on)",
    # prune_slices: whether an error still names the slice.
    "CREATE INDEX errors_of_slice ON request_errors (slice_id) WHERE slice_id IS NOT NULL",
)

AGE_ALARMS = """
    CREATE TABLE age_alarms (
        state text PRIMARY KEY,
        late boolean NOT NULL,                    -- at the last look
        looks integer NOT NULL DEFAULT 0,         -- in a row that differed from what was told
        told_late boolean NOT NULL DEFAULT false  -- what the operators know
    )"""

RECONCILIATIONS = """
    CREATE TABLE reconciliations (
        window_from timestamptz NOT NULL,
        window_to timestamptz NOT NULL,
        made_at timestamptz NOT NULL DEFAULT now(),
        dag_run_id text NOT NULL,
        adds_up boolean NOT NULL,
        counts jsonb NOT NULL,
        discrepancies jsonb NOT NULL,  -- the first of each kind
        report text NOT NULL,          -- Markdown, for a person
        PRIMARY KEY (window_from, window_to)
    )"""


def upgrade() -> None:
    """Nothing here changes what the running code does."""
    op.execute("ALTER TABLE document_requests ADD COLUMN erased_at timestamptz")
    for statement in (*INDEXES, AGE_ALARMS, RECONCILIATIONS):
        op.execute(statement)
    # Old slices are pruned. With these in place each of them would cost a look through every request and batch; what
    # an error tells of its DAG run is kept, by the third such key.
    op.execute("ALTER TABLE document_requests DROP CONSTRAINT document_requests_slice_id_fkey")
    op.execute("ALTER TABLE thunderhead_batches DROP CONSTRAINT thunderhead_batches_slice_id_fkey")


def downgrade() -> None:
    """What was erased stays erased; requests and batches forget slices that are gone."""
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
