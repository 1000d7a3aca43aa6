-- document_types_with_content --
-- The document types with ended requests that still have their content, with one index probe for each type.
WITH RECURSIVE types AS (
    (SELECT document_type FROM document_requests WHERE ended_at IS NOT NULL AND erased_at IS NULL
     ORDER BY document_type LIMIT 1)
    UNION ALL
    SELECT (SELECT r.document_type FROM document_requests r
            WHERE r.ended_at IS NOT NULL AND r.erased_at IS NULL AND r.document_type > t.document_type
            ORDER BY r.document_type LIMIT 1)
    FROM types t WHERE t.document_type IS NOT NULL
)
SELECT document_type FROM types WHERE document_type IS NOT NULL;

-- reopen_erasures --
-- Look at the next requests that a release before 0.2.0 erased: it left the free texts from outside. Those that have any
-- count as not erased again, so that erase_content takes them. The progress is kept: once it is through, nothing is read.
-- (count, not EXISTS: PostgreSQL would read all errors and all timelines to make a table of them.)
WITH stretch AS (
    SELECT request_id FROM document_requests
    WHERE request_id >= (SELECT next_id FROM erasures_to_check) AND request_id <= (SELECT last_id FROM erasures_to_check)
      AND erased_at IS NOT NULL
    ORDER BY request_id LIMIT %(limit)s
), reopened AS (
    UPDATE document_requests r SET erased_at = NULL FROM stretch s
    WHERE r.request_id = s.request_id AND r.ended_at IS NOT NULL AND (
        r.origin_user IS NOT NULL
        OR 0 < (SELECT count(*) FROM request_errors e WHERE e.request_id = r.request_id AND e.description <> 'erased')
        OR 0 < (SELECT count(*) FROM request_timeline t
                WHERE t.request_id = r.request_id AND t.detail ?| '{description,origin_user}'::text[]))
), moved AS (
    UPDATE erasures_to_check SET next_id = coalesce((SELECT max(request_id) FROM stretch), last_id) + 1
    WHERE next_id <= last_id
)
SELECT count(*) AS number FROM stretch;

-- erase_content --
-- Erase payload, metadata and XML of requests of one type that are past their retention, the oldest first, and
-- the free texts from outside (origin user, descriptions of errors, what the kit's jobs keep) and their copies. The
-- request's row and its timeline stay. A request that is being retriggered at this moment is left to a later run.
WITH due AS (
    SELECT request_id FROM document_requests
    WHERE document_type = %(document_type)s AND ended_at < now() - %(days)s * interval '1 day' AND erased_at IS NULL
    ORDER BY ended_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), payloads AS (
    DELETE FROM request_payloads p USING due WHERE p.request_id = due.request_id
), metadata AS (
    DELETE FROM request_metadata m USING due WHERE m.request_id = due.request_id
), xml AS (
    DELETE FROM batch_payloads x USING thunderhead_batches b, due
    WHERE b.request_id = due.request_id AND x.batch_key = b.batch_key
), errors AS (
    UPDATE request_errors e SET description = 'erased' FROM due WHERE e.request_id = due.request_id
), items AS (
    UPDATE job_items i
    SET data = NULL, said = NULL, refused_why = CASE WHEN i.refused_why IS NOT NULL THEN 'erased' END
    FROM due WHERE i.request_id = due.request_id
), timeline AS (
    UPDATE request_timeline t SET detail = t.detail - '{description,origin_user}'::text[]
    FROM due WHERE t.request_id = due.request_id AND t.detail ?| '{description,origin_user}'::text[]
), events AS (
    UPDATE final_events e SET event = jsonb_set(e.event::jsonb, '{data,errors}', (
        SELECT coalesce(jsonb_agg(error || '{"description": "erased"}'), '[]')
        FROM jsonb_array_elements(e.event::jsonb #> '{data,errors}') AS error))::json
    FROM due WHERE e.request_id = due.request_id
), erased AS (
    UPDATE document_requests r SET erased_at = now(), origin_user = NULL FROM due WHERE r.request_id = due.request_id
    RETURNING r.request_id
), told AS (
    INSERT INTO request_timeline (request_id, event, actor, detail)
    SELECT request_id, 'ERASED', 'oms_housekeeping', jsonb_build_object('retention_days', %(days)s::integer) FROM erased
)
SELECT count(*) AS number FROM erased;

-- prune_events --
-- Delete old published final events, the oldest first, one range of keys a call.
WITH stretch AS (
    SELECT event_seq, published_at, max(event_seq) OVER () AS last_key FROM (
        SELECT event_seq, published_at FROM final_events WHERE event_seq > %(after_key)s
          AND created_at < now() - %(days)s * interval '1 day'
        ORDER BY event_seq LIMIT %(limit)s) oldest
), pruned AS (
    DELETE FROM final_events e USING stretch s
    WHERE e.event_seq = s.event_seq AND s.published_at < now() - %(days)s * interval '1 day'
    RETURNING e.event_seq
)
SELECT (SELECT count(*) FROM pruned) AS number, (SELECT max(last_key) FROM stretch) AS last_key;

-- prune_requests --
-- Delete requests that ended long ago with all that belongs to them, the oldest first. Their content was erased before. A
-- request stays while one of its events waits or is set aside, and until its run was completed as long ago.
WITH old AS (
    SELECT request_id FROM document_requests r
    WHERE erased_at IS NOT NULL AND ended_at < now() - %(days)s * interval '1 day'
      AND NOT EXISTS (SELECT FROM final_events e WHERE e.request_id = r.request_id AND e.published_at IS NULL)
      AND (run_id IS NULL OR EXISTS (
          SELECT FROM runs u WHERE u.run_id = r.run_id AND u.completed_at < now() - %(days)s * interval '1 day'))
    ORDER BY ended_at LIMIT %(limit)s FOR UPDATE OF r SKIP LOCKED
), pruned AS (
    DELETE FROM document_requests r USING old WHERE r.request_id = old.request_id RETURNING r.request_id
)
SELECT count(*) AS number FROM pruned;

-- prune_runs --
-- Delete runs that were completed long ago and have no request any more, with their hold and their event.
WITH old AS (
    SELECT run_id FROM runs u
    WHERE completed_at < now() - %(days)s * interval '1 day'
      AND NOT EXISTS (SELECT FROM document_requests r WHERE r.run_id = u.run_id)
      AND NOT EXISTS (SELECT FROM final_events e WHERE e.run_id = u.run_id AND e.published_at IS NULL)
    ORDER BY run_id LIMIT %(limit)s
), holds AS (
    DELETE FROM request_holds h USING old WHERE h.run_id = old.run_id
), events AS (
    DELETE FROM final_events e USING old WHERE e.run_id = old.run_id
), pruned AS (
    DELETE FROM runs u USING old WHERE u.run_id = old.run_id RETURNING u.run_id
)
SELECT count(*) AS number FROM pruned;

-- prune_operator_actions --
-- Delete old actions of operators, the oldest first, one range of keys a call, by a function with the rights for it: no
-- part of the system may change the audit trail.
SELECT number, last_key FROM prune_operator_actions(%(after_key)s, %(days)s, %(limit)s);

-- prune_slices --
-- Delete slices whose task instance Airflow no longer has, the oldest first, one range of keys a call. A slice stays if
-- an error refers to it or if it still holds a request.
WITH stretch AS (
    SELECT slice_id, max(slice_id) OVER () AS last_key FROM (
        SELECT slice_id FROM slices WHERE slice_id > %(after_key)s AND claimed_at < now() - %(days)s * interval '1 day'
        ORDER BY slice_id LIMIT %(limit)s) oldest
), pruned AS (
    DELETE FROM slices s USING stretch t
    WHERE s.slice_id = t.slice_id
      AND NOT EXISTS (SELECT FROM request_errors e WHERE e.slice_id = s.slice_id)
      AND NOT EXISTS (SELECT FROM document_requests r WHERE r.lease_until IS NOT NULL AND r.slice_id = s.slice_id)
    RETURNING s.slice_id
)
SELECT (SELECT count(*) FROM pruned) AS number, (SELECT max(last_key) FROM stretch) AS last_key;

-- end_undecided_operations --
-- End bulk operations that nobody has approved or resumed for so long. What ends keeps no metadata.
WITH ended AS (
    UPDATE bulk_operations
    SET state = CASE state WHEN 'WAITING' THEN 'REJECTED' ELSE 'STOPPED' END, changed_by = 'oms_housekeeping',
        ended_at = now(), lease_token = NULL, lease_until = NULL, selection = selection - '{metadata,error_text}'::text[]
    WHERE ended_at IS NULL AND state IN ('WAITING', 'PAUSED') AND created_at < now() - %(days)s * interval '1 day'
    RETURNING operation_id, action, subject, state, counted
)
INSERT INTO operator_actions (actor, door, action, subject, number, reason)
SELECT 'oms_housekeeping', 'dag', 'end_operation', format('operation %%s: %%s %%s', operation_id, action, subject), counted,
       format('%%s: nobody has decided on it for %%s days', state, %(days)s::integer)
FROM ended;

-- prune_bulk_operations --
-- Delete old operations, the oldest first, each after its answers, some rows a call. An operation may have a million answers.
WITH old AS (
    SELECT operation_id FROM bulk_operations
    WHERE created_at < now() - %(days)s * interval '1 day' AND ended_at IS NOT NULL
    ORDER BY operation_id LIMIT 10
), answers AS (
    DELETE FROM bulk_operation_answers a USING (
        SELECT operation_id, request FROM bulk_operation_answers WHERE operation_id IN (SELECT operation_id FROM old)
        LIMIT %(limit)s) piece
    WHERE a.operation_id = piece.operation_id AND a.request = piece.request
    RETURNING a.operation_id
), pruned AS (
    DELETE FROM bulk_operations o USING old
    WHERE o.operation_id = old.operation_id
      AND NOT EXISTS (SELECT FROM bulk_operation_answers a WHERE a.operation_id = o.operation_id)
    RETURNING o.operation_id
)
SELECT (SELECT count(*) FROM pruned) AS number, (SELECT count(*) FROM answers) AS answers;
