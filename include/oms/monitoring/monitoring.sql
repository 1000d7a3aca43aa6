-- work_is_on_its_way --
-- Whether document_processing works requests, or will claim some in a moment: they will soon be at Thunderhead.
SELECT coalesce((SELECT max(lease_until) FROM document_requests WHERE lease_until IS NOT NULL) >= now(), false)
    OR coalesce((SELECT min(due_at) FROM document_requests
                 WHERE status = 'QUEUED' AND due_at >= now() - %(recently_due_seconds)s * interval '1 second') <= now(), false) AS on_its_way;

-- reclaim_batches --
-- Move the batches that a former worker of this slice still holds to the new lease token, and count its death.
WITH reclaimed AS (
    UPDATE thunderhead_batches
    SET lease_token = %(lease_token)s, lease_until = now() + %(lease_seconds)s * interval '1 second'
    WHERE slice_id = %(slice_id)s AND lease_token = %(former_token)s AND status = 'PROCESSING_THUNDERHEAD'
    RETURNING request_id
)
UPDATE document_requests r SET takeovers = r.takeovers + 1 FROM reclaimed WHERE r.request_id = reclaimed.request_id;

-- forget_deaths --
-- A worker has survived an answer about these requests' batches.
UPDATE document_requests r SET takeovers = 0
FROM thunderhead_batches b
WHERE r.request_id = ANY (%(request_ids)s) AND b.request_id = r.request_id AND b.lease_token + 0 = %(lease_token)s;

-- held_batches --
-- The batches that a worker has to poll.
SELECT b.batch_key, b.request_id, b.batch_name, b.thunderhead_batch_id, b.polls, r.spent, r.takeovers,
       extract(epoch FROM now() - b.submitted_at)::float AS age_seconds,
       extract(epoch FROM b.next_poll_at - now())::float AS due_in_seconds, b.asked_seconds,
       extract(epoch FROM now() - coalesce(b.asked_at, b.submitted_at))::float AS unasked_seconds,
       extract(epoch FROM now() - b.document_id_missing_since)::float AS missing_seconds
FROM thunderhead_batches b JOIN document_requests r USING (request_id)
WHERE b.slice_id = %(slice_id)s AND b.lease_token = %(lease_token)s AND b.status = 'PROCESSING_THUNDERHEAD'
ORDER BY b.next_poll_at, b.batch_key;

-- renew_batch_leases --
-- Renew the leases of a worker. No row means: it holds no batch, or another worker has taken over the slice.
WITH slice AS (
    UPDATE slices SET lease_until = now() + %(lease_seconds)s * interval '1 second'
    WHERE slice_id = %(slice_id)s AND lease_token = %(lease_token)s
)
UPDATE thunderhead_batches SET lease_until = now() + %(lease_seconds)s * interval '1 second'
WHERE slice_id = %(slice_id)s AND lease_token = %(lease_token)s AND status = 'PROCESSING_THUNDERHEAD'
RETURNING batch_key;

-- schedule_polls --
-- Release batches that have not ended, and set the time of their next poll.
UPDATE thunderhead_batches b
SET next_poll_at = now() + w.wait_seconds * interval '1 second', polls = w.polls, asked_seconds = w.asked_seconds,
    asked_at = now() - w.unasked_seconds * interval '1 second',
    document_id_missing_since = now() - w.missing_seconds * interval '1 second',
    lease_token = NULL, lease_until = NULL
FROM unnest(%(batch_keys)s::bigint[], %(wait_seconds)s::float[], %(polls)s::integer[], %(asked_seconds)s::float[],
    %(unasked_seconds)s::float[], %(missing_seconds)s::float[])
    AS w (batch_key, wait_seconds, polls, asked_seconds, unasked_seconds, missing_seconds)
WHERE b.batch_key = w.batch_key AND b.lease_token + 0 = %(lease_token)s;

-- end_batches --
-- End batches as Thunderhead ended them. Fenced: only batches under the worker's own lease are changed and returned.
UPDATE thunderhead_batches b
SET status = w.status, dms_document_id = w.dms_document_id, ended_at = now(), polls = w.polls,
    slice_id = %(slice_id)s, lease_token = NULL, lease_until = NULL
FROM unnest(%(batch_keys)b::bigint[], %(statuses)b::text[], %(dms_document_ids)b::bigint[], %(polls)b::integer[])
    AS w (batch_key, status, dms_document_id, polls)
WHERE b.batch_key = w.batch_key AND b.lease_token + 0 = %(lease_token)s AND b.status || '' = 'PROCESSING_THUNDERHEAD'
RETURNING b.request_id;

-- requeue_failed_generations --
-- Queue requests again whose generation failed and may succeed with another attempt. They are due after the back-off.
WITH wanted AS (
    SELECT * FROM unnest(%(request_ids)s::bigint[], %(wait_seconds)s::float[], %(categories)s::text[],
        %(descriptions)s::text[]) AS w (request_id, wait_seconds, category, description)
), moved AS (
    UPDATE document_requests r
    SET status = 'QUEUED', spent = r.spent + 1, takeovers = 0, due_at = now() + w.wait_seconds * interval '1 second'
    FROM wanted w WHERE r.request_id = w.request_id AND r.status = 'PROCESSING' AND r.lease_until IS NULL
    RETURNING r.request_id, r.revision, r.attempts, r.stage, r.due_at, w.category, w.description
), error AS (
    INSERT INTO request_errors (request_id, revision, attempt, stage, category, description, slice_id)
    SELECT request_id, revision + 1, attempts, stage, category, description, %(slice_id)s FROM moved
), told AS (
    INSERT INTO request_timeline (request_id, event, actor, detail, slice_id)
    SELECT request_id, 'RETRY_SCHEDULED', 'document_monitoring', jsonb_build_object(
        'due_at', utc_text(due_at), 'category', category, 'description', description), %(slice_id)s
    FROM moved
)
SELECT request_id FROM moved;
