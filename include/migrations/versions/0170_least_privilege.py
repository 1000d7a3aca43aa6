"""Two functions with the owner's rights, so that no part needs more rights than its own work.

Runs: before the code that needs it. The grants are in include/migrations/grants.sql.
"""

from alembic import op

revision = "0170"
down_revision = "0193"
branch_labels = None
depends_on = None

# The intake shows a client what was submitted for it, and can read no other document.
SUBMITTED_XML = """
    CREATE FUNCTION submitted_xml(of_request_id bigint, of_source_system text) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    BEGIN ATOMIC
        SELECT x.xml
        FROM document_requests r JOIN thunderhead_batches b USING (request_id) JOIN batch_payloads x USING (batch_key)
        WHERE r.request_id = of_request_id AND r.source_system = of_source_system
        ORDER BY b.attempt DESC LIMIT 1;
    END"""
# Housekeeping deletes what is past its retention, which is a year at least, and no other entry.
PRUNE_OPERATOR_ACTIONS = """
    CREATE FUNCTION prune_operator_actions(after_key bigint, days integer, most integer,
                                           OUT number bigint, OUT last_key bigint)
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
    BEGIN ATOMIC
        WITH stretch AS (
            SELECT action_id FROM operator_actions
            WHERE action_id > after_key AND at < now() - greatest(days, 366) * interval '1 day'
            ORDER BY action_id LIMIT most
        ), pruned AS (
            DELETE FROM operator_actions a USING stretch s WHERE a.action_id = s.action_id RETURNING a.action_id
        )
        SELECT (SELECT count(*) FROM pruned), (SELECT max(action_id) FROM stretch);
    END"""
FUNCTIONS = ("submitted_xml(bigint, text)", "prune_operator_actions(bigint, integer, integer)")


def upgrade() -> None:
    """Create the functions. Only their owner may call them, until they are granted."""
    op.execute(SUBMITTED_XML)
    op.execute(PRUNE_OPERATOR_ACTIONS)
    for function in FUNCTIONS:
        op.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")


def downgrade() -> None:
    """Drop the functions."""
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
