"""operator_actions: an audit trail that only grows: who did what, why, and the state before and after.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0160"
down_revision = "0131"
branch_labels = None
depends_on = None

TABLE = """
    CREATE TABLE operator_actions (
        action_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        actor text NOT NULL,    -- "airflow:" and the user's name
        door text NOT NULL CHECK (door IN ('console', 'dag', 'clear', 'api')),
        action text NOT NULL CHECK (action ~ '^[a-z_]+$'),
        subject text,           -- its object: a request, a system, a filter without metadata values
        request_id bigint,      -- if it was a single request
        number bigint,          -- number of requests or rows
        reason text,
        before jsonb,
        after jsonb
    )"""
INDEXES = (
    # operator_actions: by actor, by action, by request. Newest first.
    "CREATE INDEX actions_by_actor ON operator_actions (actor, action_id)",
    "CREATE INDEX actions_by_kind ON operator_actions (action, action_id)",
    "CREATE INDEX actions_of_request ON operator_actions (request_id, action_id) WHERE request_id IS NOT NULL",
    # who_cleared: the clears of one run.
    "CREATE INDEX clears_of_run ON operator_actions (subject, action_id) WHERE door = 'clear'",
)
# Triggers apply to every role, including the owner of the table. Housekeeping may delete rows older than a year.
REFUSE = """
    CREATE FUNCTION refuse_change_of_operator_actions() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND OLD.at < now() - interval '1 year' THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION 'operator_actions only grows: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
    END $$"""
TRIGGERS = (
    """CREATE TRIGGER operator_actions_only_grows BEFORE UPDATE OR DELETE ON operator_actions
       FOR EACH ROW EXECUTE FUNCTION refuse_change_of_operator_actions()""",
    """CREATE TRIGGER operator_actions_are_not_emptied BEFORE TRUNCATE ON operator_actions
       FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_operator_actions()""",
)


def upgrade() -> None:
    """Create a table that accepts new rows only."""
    for statement in (TABLE, *INDEXES, REFUSE, *TRIGGERS):
        op.execute(statement)


def downgrade() -> None:
    """Drop the audit trail."""
    op.execute("DROP TABLE operator_actions")
    op.execute("DROP FUNCTION refuse_change_of_operator_actions")
