-- ended_by_slice --
-- The requests that this slice brought to a red end, and that nothing has moved and nobody has resolved since.
SELECT request_id FROM document_requests
WHERE slice_id = %(slice_id)s AND status IN ('FAILED', 'STOPPED') AND resolved_at IS NULL
ORDER BY request_id FOR UPDATE;

-- who_cleared --
-- Who cleared this slice's task instance last: the audit trail has it at once. A clear may name the whole run.
SELECT a.actor FROM slices s JOIN operator_actions a
    ON a.door = 'clear' AND a.subject = s.job || '/' || s.dag_run_id
WHERE s.slice_id = %(slice_id)s AND (a.after->'map_indexes' IS NULL OR a.after->'map_indexes' @> to_jsonb(s.map_index))
ORDER BY a.action_id DESC LIMIT 1;

-- retrigger_requests --
-- Drive ended requests again, by the stage they ended at: moves says where to (RETRIGGERS). What is not at a red end is
-- left alone and not returned, and so is what was withdrawn: nobody wants it any more.
WITH moves AS (
    SELECT * FROM unnest(%(ended_stages)s::text[], %(statuses)s::text[], %(stages)s::text[])
        AS m (ended_stage, status, stage)
), chosen AS (
    SELECT request_id, stage AS ended_stage FROM document_requests r
    WHERE request_id = ANY (%(request_ids)s) AND status IN ('FAILED', 'STOPPED')
      AND (status = 'FAILED' OR 'CANCELLED' IS DISTINCT FROM (SELECT category FROM last_error(r.request_id)))
    FOR UPDATE
), again AS (
    UPDATE document_requests r
    SET status = m.status, stage = m.stage, ended_at = NULL, spent = 0, takeovers = 0, due_at = now(), slice_id = NULL,
        resolved_at = NULL, erased_at = NULL  -- the new try may bring new texts from outside
    FROM chosen c JOIN moves m USING (ended_stage) WHERE r.request_id = c.request_id
    RETURNING r.request_id, r.stage, r.revision, r.status, c.ended_stage
), batch AS (  -- what goes on at Thunderhead is asked about again
    UPDATE thunderhead_batches b
    SET status = 'PROCESSING_THUNDERHEAD', ended_at = NULL, next_poll_at = now(), submitted_at = now(), asked_seconds = 0,
        asked_at = NULL, document_id_missing_since = NULL
    FROM again a
    WHERE a.status = 'PROCESSING' AND b.request_id = a.request_id
      AND b.attempt = (SELECT max(attempt) FROM thunderhead_batches l WHERE l.request_id = a.request_id)
), told AS (
    INSERT INTO request_timeline (request_id, event, actor, detail, slice_id)
    SELECT request_id, 'RETRIGGERED', %(actor)s,
           jsonb_strip_nulls(jsonb_build_object('stage', ended_stage, 'revision', revision, 'why', %(why)s::text)), %(slice_id)s
    FROM again
), woken AS (  -- whichever job drives them on, if its watcher waits to be told
    SELECT count(pg_notify('oms_work', job)) FROM watchers WHERE waiting
)
SELECT request_id, status FROM again CROSS JOIN woken ORDER BY request_id;

-- hold_requests --
-- Put queued requests straight into the hands of the worker that asks, but for those that an operator holds.
UPDATE document_requests r
SET status = 'PROCESSING', slice_id = %(slice_id)s, lease_token = %(lease_token)s,
    lease_until = now() + %(lease_seconds)s * interval '1 second'
WHERE request_id = ANY (%(request_ids)s) AND status = 'QUEUED'
  AND NOT EXISTS (SELECT FROM stop_of(r.source_system, r.document_type, r.document_name, r.run_id, r.request_id));

-- hold_batches --
-- Lease the batches to poll directly to the worker that retriggers them.
UPDATE thunderhead_batches
SET slice_id = %(slice_id)s, lease_token = %(lease_token)s,
    lease_until = now() + %(lease_seconds)s * interval '1 second'
WHERE request_id = ANY (%(request_ids)s) AND status = 'PROCESSING_THUNDERHEAD';
