-- pause_after_restore --
-- Pause Thunderhead, so that nothing is submitted before a person has read the report.
UPDATE outside_systems
SET paused_at = now(), paused_by = 'after_restore', paused_why = 'restored from a back-up; resume once its report is read',
    updated_at = now()
WHERE system = 'THUNDERHEAD' AND document_type = '*' AND paused_at IS NULL;

-- last_request_id --
-- The id of the newest request in the back-up.
SELECT coalesce(max(request_id), 0) AS last_request_id FROM document_requests;

-- leave_ids_behind --
-- Move the sequences of requests, runs, slices and lease tokens ahead, so that no id from after the back-up is used twice.
SELECT setval(sequence, greatest(last_value, known + %(gap)s))
FROM (SELECT pg_get_serial_sequence('document_requests', 'request_id')::regclass AS sequence,
             (SELECT max(request_id) FROM document_requests) AS known
      UNION ALL
      SELECT pg_get_serial_sequence('slices', 'slice_id')::regclass, (SELECT max(slice_id) FROM slices)
      UNION ALL
      SELECT pg_get_serial_sequence('runs', 'run_id')::regclass, (SELECT max(run_id) FROM runs)
      UNION ALL
      SELECT 'lease_tokens'::regclass, (SELECT max(lease_token) FROM slices)) of
JOIN LATERAL (SELECT coalesce(pg_sequence_last_value(sequence), 1) AS last_value) at ON true
WHERE known IS NOT NULL;

-- doubt_all_intents --
-- Mark every intent as unsure, because it may have been submitted since. Its name is looked up before a new submit.
UPDATE thunderhead_batches SET unsure_since = now() WHERE status = 'PROCESSING_OMS';

-- requests_to_look_up --
-- The requests that may have been submitted since the back-up: open ones, and red ones, which somebody may have
-- retriggered.
SELECT request_id, attempts FROM document_requests
WHERE request_id > %(after)s AND status IN ('QUEUED', 'PROCESSING', 'FAILED', 'STOPPED')
ORDER BY request_id LIMIT %(limit)s;

-- forget_open_batches --
-- End the batches that are open in the back-up, because Thunderhead has later attempts.
UPDATE thunderhead_batches
SET status = 'FAILED', unsure_since = NULL, ended_at = now(), lease_token = NULL, lease_until = NULL
WHERE request_id = ANY (%(request_ids)s) AND status IN ('PROCESSING_OMS', 'PROCESSING_THUNDERHEAD');

-- adopt_found_batches --
-- Store the batches that Thunderhead has. The newest attempt of a request is polled again; earlier ones are FAILED.
WITH found AS (
    SELECT * FROM unnest(%(request_ids)s::bigint[], %(attempts)s::integer[], %(names)s::text[], %(batch_ids)s::bigint[])
        AS f (request_id, attempt, batch_name, batch_id)
), newest AS (
    SELECT request_id, max(attempt) AS attempt FROM found GROUP BY request_id
), batch AS (
    INSERT INTO thunderhead_batches (request_id, attempt, batch_name, batch_config_id, thunderhead_batch_id,
        unsure_since, submitted_at, status, next_poll_at, ended_at)
    SELECT f.request_id, f.attempt, f.batch_name, coalesce(known.batch_config_id, ''), f.batch_id, NULL, now(),
           CASE WHEN f.attempt = n.attempt THEN 'PROCESSING_THUNDERHEAD' ELSE 'FAILED' END,
           CASE WHEN f.attempt = n.attempt THEN now() END, CASE WHEN f.attempt < n.attempt THEN now() END
    FROM found f JOIN newest n USING (request_id)
    LEFT JOIN LATERAL (SELECT batch_config_id FROM thunderhead_batches b WHERE b.request_id = f.request_id
                       ORDER BY attempt DESC LIMIT 1) known ON true
), moved AS (
    UPDATE document_requests r
    SET status = 'PROCESSING', stage = 'GENERATION', attempts = n.attempt, takeovers = 0, ended_at = NULL,
        erased_at = NULL, slice_id = NULL, lease_token = NULL, lease_until = NULL
    FROM newest n WHERE r.request_id = n.request_id
)
INSERT INTO request_timeline (request_id, event, actor, detail)
SELECT request_id, 'ADOPTED', 'after_restore',
       jsonb_build_object('batch_name', batch_name, 'thunderhead_batch_id', batch_id)
FROM found ORDER BY request_id, attempt;
