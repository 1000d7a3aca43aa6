"""bulk_operations: what an operator does to all requests of a selection, worked in pieces, with an answer for each.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0190"
down_revision = "0162"
branch_labels = None
depends_on = None

OPERATIONS = """
    CREATE TABLE bulk_operations (
        operation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        action text NOT NULL CHECK (action IN (
            'retrigger', 'retry_now', 'withdraw', 'resolve', 'reopen', 'publish_again')),
        selection jsonb NOT NULL,       -- as include.oms.operators.selection has it; metadata goes when it is over
        subject text NOT NULL,          -- the selection in words, of metadata the keys alone
        reason text,
        actor text NOT NULL,            -- who asked; "airflow:" and the user's name, or the client
        door text NOT NULL CHECK (door IN ('console', 'dag', 'clear', 'api')),
        origin text UNIQUE,             -- the DAG run or call that asked: asked again, it is the same operation
        per_second numeric NOT NULL CHECK (per_second > 0),
        counted bigint NOT NULL CHECK (counted >= 0),
        counted_at timestamptz NOT NULL,
        state text NOT NULL CHECK (state IN ('WAITING', 'RUNNING', 'PAUSED', 'DONE', 'STOPPED', 'REJECTED')),
        decided_by text,                -- who approved or rejected it; null: nobody had to
        decided_at timestamptz,
        changed_by text,                -- who paused, resumed or stopped it last
        created_at timestamptz NOT NULL DEFAULT now(),
        ended_at timestamptz,
        next_before bigint NOT NULL DEFAULT 9223372036854775807,  -- the next piece has lower request ids
        worked bigint NOT NULL DEFAULT 0,
        done bigint NOT NULL DEFAULT 0, -- of these worked; the others were left alone
        lease_token bigint,
        lease_until timestamptz,
        CONSTRAINT decided_by_somebody_else CHECK (decided_by <> actor),
        CONSTRAINT ended_or_not CHECK ((ended_at IS NOT NULL) = (state IN ('DONE', 'STOPPED', 'REJECTED')))
    )"""
ANSWERS = """
    CREATE TABLE bulk_operation_answers (
        operation_id bigint NOT NULL REFERENCES bulk_operations ON DELETE CASCADE,
        request text NOT NULL,          -- its id; a correlation id that no request has
        answer text NOT NULL,
        PRIMARY KEY (operation_id, request)
    )"""
HOLD_OF = """
    CREATE FUNCTION hold_of(of_source_system text, of_document_type text, of_document_name text)
    RETURNS SETOF request_holds LANGUAGE sql STABLE PARALLEL SAFE ROWS 1 AS $$
        SELECT * FROM request_holds
        WHERE released_at IS NULL AND (until IS NULL OR until > now())
          AND (source_system IS NULL OR source_system = of_source_system)
          AND (document_type IS NULL OR document_type = of_document_type)
          AND (document_name IS NULL OR document_name = of_document_name)
    $$"""


def upgrade() -> None:
    """Create both tables, and the function that says which hold holds a request. PostgreSQL inlines it."""
    op.execute(OPERATIONS)
    # lease_operation: what a worker may take up. Few are open.
    op.execute("CREATE INDEX open_operations ON bulk_operations (operation_id) WHERE ended_at IS NULL")
    op.execute(ANSWERS)
    op.execute(HOLD_OF)


def downgrade() -> None:
    """Drop them. What an operation has done stays; what it has not done is not done."""
    op.execute("DROP FUNCTION hold_of")
    op.execute("DROP TABLE bulk_operation_answers")
    op.execute("DROP TABLE bulk_operations")
