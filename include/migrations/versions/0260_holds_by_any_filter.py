"""request_holds.conditions: a hold may have any condition of the search that a queued request can meet.

Runs: before the code that needs it. The new column is null, and holds are few. stop_of keeps its arguments and columns.
"""

from alembic import op

revision = "0260"
down_revision = "0212"
branch_labels = None
depends_on = None

HOLDS_SOMETHING = "ALTER TABLE request_holds ADD CONSTRAINT a_hold_holds_something CHECK ({}) NOT VALID"
DROP_IT = "-- squawk-ignore ban-drop-constraint\nALTER TABLE request_holds DROP CONSTRAINT a_hold_holds_something"
# conditions has the search's names and values; of metadata, the key and the value are apart.
STOP_OF = """
    CREATE OR REPLACE FUNCTION stop_of(
        of_source_system text, of_document_type text, of_document_name text, of_run_id bigint, of_request_id bigint)
    RETURNS TABLE (hold_id bigint) LANGUAGE sql STABLE PARALLEL SAFE ROWS 1 AS $$
        SELECT h.hold_id FROM request_holds h
        WHERE h.released_at IS NULL AND (h.until IS NULL OR h.until > now())
          AND (h.source_system IS NULL OR h.source_system = of_source_system)
          AND (h.document_type IS NULL OR h.document_type = of_document_type)
          AND (h.document_name IS NULL OR h.document_name = of_document_name)
          AND (h.run_id IS NULL OR h.run_id = of_run_id)
          AND (h.above_request_id IS NULL OR h.above_request_id < of_request_id)
          {more}
        UNION ALL
        SELECT NULL FROM outside_systems o
        WHERE o.system = 'THUNDERHEAD' AND o.document_type = of_document_type AND o.paused_at IS NOT NULL
    $$"""
# Each kind of condition is looked up by its own index, and only where a hold has it: a claim asks for each request.
MEETS_CONDITIONS = """
    AND (h.conditions IS NULL OR (
        NOT h.conditions ? 'metadata_key' OR EXISTS (
            SELECT FROM request_metadata m
            WHERE m.request_id = of_request_id AND m.key = h.conditions->>'metadata_key'
              AND m.value = h.conditions->>'metadata_value'))
        AND (NOT h.conditions ?| '{category,cause,error_text}' OR EXISTS (
            SELECT FROM last_error(of_request_id) e
            WHERE e.category = coalesce(h.conditions->>'category', e.category)
              AND (NOT h.conditions ? 'cause'
                   OR md5(coalesce(error_cause(e.description), '')) = h.conditions->>'cause')
              AND (NOT h.conditions ? 'error_text'
                   OR strpos(lower(e.description), lower(h.conditions->>'error_text')) > 0)))
        AND (NOT h.conditions ?| '{batch_id,batch_name}' OR EXISTS (
            SELECT FROM thunderhead_batches b
            WHERE b.request_id = of_request_id
              AND b.batch_name = coalesce(h.conditions->>'batch_name', b.batch_name)
              AND (NOT h.conditions ? 'batch_id' OR b.thunderhead_batch_id = (h.conditions->>'batch_id')::bigint)))
        AND (NOT h.conditions ?| '{request_id,correlation_id,run_id,document,stage,retrying,created_from,created_to}'
             OR EXISTS (
            SELECT FROM document_requests r
            WHERE r.request_id = of_request_id
              AND r.request_id = coalesce((h.conditions->>'request_id')::bigint, r.request_id)
              AND r.request_correlation_id = coalesce(h.conditions->>'correlation_id', r.request_correlation_id)
              AND (NOT h.conditions ? 'run_id' OR r.run_id = (h.conditions->>'run_id')::bigint)
              AND coalesce(h.conditions->>'document', r.document_name) IN (r.document_name, r.document_type)
              AND r.stage = coalesce(h.conditions->>'stage', r.stage)
              AND (NOT h.conditions ? 'retrying' OR r.spent > 0)
              AND r.created_at >= coalesce((h.conditions->>'created_from')::timestamptz, r.created_at)
              AND (NOT h.conditions ? 'created_to' OR r.created_at < (h.conditions->>'created_to')::timestamptz))))"""
WORDS_OF_HOLD = """
    -- What a hold holds, for people: of metadata the key alone, no text of an error.
    CREATE FUNCTION words_of_hold(h request_holds) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
        SELECT concat_ws('; ', 'source_system: ' || h.source_system, 'document_type: ' || h.document_type,
            'document_name: ' || h.document_name, 'run_id: ' || h.run_id, (
                SELECT string_agg(CASE c.key WHEN 'metadata_key' THEN 'metadata: ' || c.value || ':…'
                                             WHEN 'error_text' THEN 'error_text: …'
                                             ELSE c.key || ': ' || c.value END, '; ' ORDER BY c.key)
                FROM jsonb_each_text(h.conditions) AS c WHERE c.key <> 'metadata_value'))
    $$"""


def upgrade() -> None:
    """Add the column, have stop_of obey it, and create what says it in words."""
    op.execute("ALTER TABLE request_holds ADD COLUMN conditions jsonb")
    op.execute(DROP_IT)  # a wider one takes its place
    op.execute(HOLDS_SOMETHING.format("num_nonnulls(source_system, document_type, document_name, conditions) > 0"))
    op.execute(STOP_OF.format(more=MEETS_CONDITIONS))
    op.execute(WORDS_OF_HOLD)


def downgrade() -> None:
    """Release the holds with such conditions: without these they would hold more."""
    op.execute("DROP FUNCTION words_of_hold")
    op.execute(STOP_OF.format(more=""))
    op.execute("DELETE FROM request_holds WHERE conditions IS NOT NULL")
    op.execute("ALTER TABLE request_holds DROP CONSTRAINT a_hold_holds_something")
    op.execute("ALTER TABLE request_holds DROP COLUMN conditions")
    op.execute(HOLDS_SOMETHING.format("num_nonnulls(source_system, document_type, document_name) > 0"))
