-- end_requests --
-- Bring requests to their end: status, error, timeline and the final event, all or nothing.
-- A request that is no longer as the caller last saw it (status, lease) is left alone and not returned.
WITH wanted AS (
    SELECT * FROM unnest(
        %(request_ids)b::bigint[], %(statuses)b::text[], %(stages)b::text[], %(categories)b::text[], %(descriptions)b::text[])
        AS w (request_id, status, stage, category, description)
), ended AS (
    UPDATE document_requests r
    SET status = w.status, stage = w.stage, revision = r.revision + 1, ended_at = now(),
        slice_id = %(slice_id)s, lease_token = NULL, lease_until = NULL, takeovers = 0
    FROM wanted w
    WHERE r.request_id = w.request_id AND r.status || '' = %(from_status)s
      AND r.lease_token + 0 IS NOT DISTINCT FROM %(lease_token)s::bigint
    RETURNING r.*, w.category, w.description
), error AS (
    INSERT INTO request_errors (request_id, revision, attempt, stage, category, description, slice_id)
    SELECT request_id, revision, attempts, stage, category, description, slice_id
    FROM ended WHERE category IS NOT NULL
), batch AS (  -- nothing is under way any more; but a worker that died may have submitted: that stays in doubt
    UPDATE thunderhead_batches b SET status = 'FAILED', unsure_since = NULL, ended_at = now()
    FROM ended e
    WHERE b.request_id = e.request_id AND b.status || '' = 'PROCESSING_OMS'
      AND (e.category IS DISTINCT FROM 'WORKER_DIED' OR b.unsure_since IS NULL)
), told AS (
    INSERT INTO request_timeline (request_id, event, actor, detail, slice_id)
    SELECT request_id, status, %(actor)s, jsonb_strip_nulls(jsonb_build_object(
        'revision', revision, 'stage', stage, 'category', category, 'description', description)), slice_id
    FROM ended
), event AS (
    INSERT INTO final_events (request_id, revision, event_id, topic, traceparent, event)
    SELECT e.request_id, e.revision, event_uuid(e.request_id, e.revision), e.topic_name, e.traceparent, json_build_object(
        'specversion', '1.0',
        'id', event_uuid(e.request_id, e.revision),
        'source', '/oms/document-monitoring',
        'type', 'oms.document-request.final-status.v1',
        'subject', e.request_id::text,
        'time', utc_text(e.ended_at),
        'datacontenttype', 'application/json',
        'data', json_build_object(
            'request_id', e.request_id,
            'request_correlation_id', e.request_correlation_id,
            'source_system', e.source_system,
            'document_type', e.document_type,
            'document_name', e.document_name,
            'status', e.status,
            'revision', e.revision,
            'attempts', greatest(e.attempts, 1),  -- the contract counts from 1, even where nothing was submitted
            'thunderhead_batch_id', newest.thunderhead_batch_id,
            'dms_document_id', newest.dms_document_id,
            'errors', coalesce(errors.list, '[]')))
    FROM ended e
    LEFT JOIN LATERAL (
        SELECT thunderhead_batch_id, dms_document_id FROM thunderhead_batches
        WHERE request_id = e.request_id ORDER BY attempt DESC LIMIT 1) newest ON true
    LEFT JOIN LATERAL (
        SELECT json_agg(json_build_object(
            'stage', stage, 'category', category, 'description', description, 'at', utc_text(at),
            'problem', '/problems/' || category) ORDER BY at) AS list
        FROM (
            SELECT stage, category, description, at FROM request_errors
            WHERE request_id = e.request_id AND revision = e.revision
            UNION ALL
            SELECT e.stage, e.category, e.description, e.ended_at WHERE e.category IS NOT NULL
            ORDER BY at DESC LIMIT 20) latest) errors ON true
)
SELECT request_id, revision, status FROM ended;

-- red_ends_of_slice --
-- The requests that this slice brought to FAILED or STOPPED, each with its last error.
SELECT r.request_id, r.status, r.stage, e.category, e.description, r.document_name
FROM document_requests r
LEFT JOIN LATERAL last_error(r.request_id) e ON true
WHERE r.slice_id = %(slice_id)s AND r.status IN ('FAILED', 'STOPPED') AND r.resolved_at IS NULL
ORDER BY r.request_id;
