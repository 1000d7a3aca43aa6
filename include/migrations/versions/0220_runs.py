"""runs: requests that belong together, with a control total; their hold; their event in the outbox.

Runs: before the code that needs it. Other sessions are not blocked: new columns are null, constraints are validated
after they were added, and indexes are built concurrently.
"""

from alembic import op

revision = "0220"
down_revision = "0182"
branch_labels = None
depends_on = None

RUNS = """
    CREATE TABLE runs (
        run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        source_system text NOT NULL,
        name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),  -- the client's own
        content_hash bytea NOT NULL,     -- SHA-256 of all that the client sent: tells a replay from a conflict
        expected integer NOT NULL CHECK (expected BETWEEN 1 AND 1000000),  -- the control total
        proofs integer NOT NULL CHECK (proofs >= 0),  -- the first requests, which its hold does not hold
        deadline timestamptz NOT NULL,   -- it is late if it has not completed by then
        opened_by text NOT NULL,         -- the token's sub
        opened_at timestamptz NOT NULL DEFAULT now(),
        closed_by text,
        closed_at timestamptz,           -- no request joins it after this
        completed_at timestamptz,        -- closed, and all its requests have ended: its event is in the outbox
        UNIQUE (source_system, name),
        CONSTRAINT closed_by_somebody CHECK ((closed_at IS NULL) = (closed_by IS NULL)),
        CONSTRAINT only_a_closed_run_completes CHECK (completed_at IS NULL OR closed_at IS NOT NULL)
    )"""
COLUMNS = (
    "ALTER TABLE document_requests ADD COLUMN run_id bigint",
    "ALTER TABLE document_requests ADD CONSTRAINT a_request_joins_a_run FOREIGN KEY (run_id) REFERENCES runs NOT VALID",
    # above_request_id: requests with a lower or the same id are not held; null: all are held.
    "ALTER TABLE request_holds ADD COLUMN run_id bigint, ADD COLUMN above_request_id bigint",
    """ALTER TABLE request_holds ADD CONSTRAINT a_hold_of_a_run FOREIGN KEY (run_id) REFERENCES runs NOT VALID,
       ADD CONSTRAINT a_hold_of_a_run_names_its_system CHECK (run_id IS NULL OR source_system IS NOT NULL) NOT VALID""",
    # Code of the last release joins an event with its request, so it does not meet the events of runs.
    """-- squawk-ignore ban-drop-not-null
       ALTER TABLE final_events ADD COLUMN run_id bigint, ALTER COLUMN request_id DROP NOT NULL""",
    """ALTER TABLE final_events ADD CONSTRAINT an_event_of_a_run FOREIGN KEY (run_id) REFERENCES runs NOT VALID,
       ADD CONSTRAINT an_event_is_of_a_request_or_a_run CHECK (num_nonnulls(request_id, run_id) = 1) NOT VALID""",
)
VALIDATED = {
    "document_requests": ("a_request_joins_a_run",),
    "request_holds": ("a_hold_of_a_run", "a_hold_of_a_run_names_its_system"),
    "final_events": ("an_event_of_a_run", "an_event_is_of_a_request_or_a_run"),
}
INDEXES = {
    # run_progress, complete_runs, select_requests: the requests of a run; the open ones of it, by their status.
    "requests_of_run": "INDEX {name} ON document_requests (run_id, status, request_id) WHERE run_id IS NOT NULL",
    # complete_runs: one event for each run, ever.
    "event_of_run": "UNIQUE INDEX {name} ON final_events (run_id) WHERE run_id IS NOT NULL",
    "hold_of_run": "UNIQUE INDEX {name} ON request_holds (run_id) WHERE run_id IS NOT NULL",
}
STOP_OF = """
    CREATE FUNCTION stop_of(
        of_source_system text, of_document_type text, of_document_name text, of_run_id bigint, of_request_id bigint)
    RETURNS TABLE (hold_id bigint) LANGUAGE sql STABLE PARALLEL SAFE ROWS 1 AS $$
        SELECT h.hold_id FROM request_holds h
        WHERE h.released_at IS NULL AND (h.until IS NULL OR h.until > now())
          AND (h.source_system IS NULL OR h.source_system = of_source_system)
          AND (h.document_type IS NULL OR h.document_type = of_document_type)
          AND (h.document_name IS NULL OR h.document_name = of_document_name)
          AND (h.run_id IS NULL OR h.run_id = of_run_id)
          AND (h.above_request_id IS NULL OR h.above_request_id < of_request_id)
        UNION ALL
        SELECT NULL FROM outside_systems o
        WHERE o.system = 'THUNDERHEAD' AND o.document_type = of_document_type AND o.paused_at IS NOT NULL
    $$"""
RUN_PROGRESS = """
    -- Each run with its requests counted now. The count reads the run's part of one index, a million entries at most.
    CREATE VIEW run_progress AS
    SELECT u.*, c.received, c.queued, c.processing, c.stopped, c.failed, c.completed, w.withdrawn,
           greatest(u.expected - c.received, 0) AS missing, greatest(c.received - u.expected, 0) AS surplus,
           c.failed + c.stopped - w.withdrawn AS red,
           (SELECT r.created_at FROM document_requests r WHERE r.request_id = c.oldest_open_id) AS oldest_open_at,
           CASE WHEN u.completed_at IS NOT NULL THEN 'COMPLETED' WHEN u.closed_at IS NOT NULL THEN 'CLOSED'
                ELSE 'OPEN' END AS state,
           u.completed_at IS NULL AND u.deadline < now() AS late,
           h.hold_id, h.released_at, h.released_by
    FROM runs u
    LEFT JOIN request_holds h ON h.run_id = u.run_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS received, count(*) FILTER (WHERE r.status = 'QUEUED') AS queued,
               count(*) FILTER (WHERE r.status = 'PROCESSING') AS processing,
               count(*) FILTER (WHERE r.status = 'STOPPED') AS stopped,
               count(*) FILTER (WHERE r.status = 'FAILED') AS failed,
               count(*) FILTER (WHERE r.status = 'COMPLETED') AS completed,
               min(r.request_id) FILTER (WHERE r.status IN ('QUEUED', 'PROCESSING')) AS oldest_open_id
        FROM (SELECT request_id, status FROM document_requests WHERE run_id = u.run_id LIMIT 1000001) r) c
    CROSS JOIN LATERAL (
        SELECT count(*) AS withdrawn FROM document_requests r
        WHERE r.run_id = u.run_id AND r.status = 'STOPPED'
          AND 'CANCELLED' = (SELECT e.category FROM request_errors e WHERE e.request_id = r.request_id
                             ORDER BY e.error_id DESC LIMIT 1)) w"""


def upgrade() -> None:
    """Create the table and what refers to it."""
    op.execute(RUNS)
    # find_runs: a source system's runs, newest first.
    op.execute("CREATE INDEX runs_of_source_system ON runs (source_system, run_id)")
    # late_work, complete_runs: few are open.
    op.execute("CREATE INDEX open_runs ON runs (deadline) WHERE completed_at IS NULL")
    for statement in COLUMNS:
        op.execute(statement)
    with op.get_context().autocommit_block():
        for name, index in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute("CREATE " + index.format(name=f"CONCURRENTLY {name}"))
    for table, constraints in VALIDATED.items():
        for constraint in constraints:
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}")
    # The function of 0191 is of this release: no code of the last release calls it.
    op.execute("-- squawk-ignore ban-drop-function\nDROP FUNCTION stop_of")
    op.execute(STOP_OF)
    op.execute(RUN_PROGRESS)


def downgrade() -> None:
    """Drop the runs, their holds and their events. Requests that were held are claimed."""
    op.execute("DROP VIEW run_progress")
    op.execute("DELETE FROM final_events WHERE run_id IS NOT NULL")
    op.execute("DELETE FROM request_holds WHERE run_id IS NOT NULL")
    op.execute("DROP FUNCTION stop_of")
    op.execute("ALTER TABLE final_events DROP COLUMN run_id, ALTER COLUMN request_id SET NOT NULL")
    op.execute("ALTER TABLE request_holds DROP COLUMN run_id, DROP COLUMN above_request_id")
    op.execute("ALTER TABLE document_requests DROP COLUMN run_id")
    op.execute("DROP TABLE runs")
    op.execute("""
        CREATE FUNCTION stop_of(of_source_system text, of_document_type text, of_document_name text)
        RETURNS TABLE (hold_id bigint) LANGUAGE sql STABLE PARALLEL SAFE ROWS 1 AS $$
            SELECT h.hold_id FROM request_holds h
            WHERE h.released_at IS NULL AND (h.until IS NULL OR h.until > now())
              AND (h.source_system IS NULL OR h.source_system = of_source_system)
              AND (h.document_type IS NULL OR h.document_type = of_document_type)
              AND (h.document_name IS NULL OR h.document_name = of_document_name)
            UNION ALL
            SELECT NULL FROM outside_systems o
            WHERE o.system = 'THUNDERHEAD' AND o.document_type = of_document_type AND o.paused_at IS NOT NULL
        $$""")
