-- claim_due_batches --
-- Cut batches whose next poll is due into slices, a lease each. Claimers never wait on each other.
WITH due AS (
    SELECT batch_key, request_id, ((row_number() OVER (ORDER BY next_poll_at) - 1) / %(slice_size)s)::integer AS ordinal
    FROM (SELECT batch_key, request_id, next_poll_at FROM thunderhead_batches
          WHERE status = 'PROCESSING_THUNDERHEAD' AND next_poll_at <= now()
            AND (lease_until IS NULL OR lease_until < now())
          ORDER BY next_poll_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) due_polls
), cut AS (
    INSERT INTO slices (job, dag_run_id, ordinal, size, label)
    SELECT 'document_monitoring', %(dag_run_id)s, ordinal, count(*), CASE count(*)
        WHEN 1 THEN format('request %%s', min(request_id))
        ELSE format('%%s requests, %%s to %%s', count(*), min(request_id), max(request_id)) END
    FROM due GROUP BY ordinal
    RETURNING slice_id, ordinal, label, lease_token
), claimed AS (
    UPDATE thunderhead_batches b
    SET slice_id = cut.slice_id, lease_token = cut.lease_token,
        lease_until = now() + %(lease_seconds)s * interval '1 second'
    FROM due JOIN cut USING (ordinal) WHERE b.batch_key = due.batch_key
)
SELECT slice_id, ordinal, label FROM cut ORDER BY ordinal;

-- reclaim_batches --
-- Move what a former worker of this slice still holds under the new token.
UPDATE thunderhead_batches
SET lease_token = %(lease_token)s, lease_until = now() + %(lease_seconds)s * interval '1 second'
WHERE slice_id = %(slice_id)s AND lease_token = %(former_token)s AND status = 'PROCESSING_THUNDERHEAD';

-- held_batches --
-- The batches that a worker is to ask about.
SELECT b.batch_key, b.request_id, b.batch_name, b.thunderhead_batch_id, b.polls, r.spent,
       extract(epoch FROM now() - b.submitted_at)::float AS age_seconds
FROM thunderhead_batches b JOIN document_requests r USING (request_id)
WHERE b.slice_id = %(slice_id)s AND b.lease_token = %(lease_token)s AND b.status = 'PROCESSING_THUNDERHEAD'
ORDER BY b.next_poll_at, b.batch_key;

-- renew_batch_leases --
-- Hold on to what a worker still works. Nothing renewed: the slice has passed to another worker.
UPDATE thunderhead_batches SET lease_until = now() + %(lease_seconds)s * interval '1 second'
WHERE slice_id = %(slice_id)s AND lease_token = %(lease_token)s AND status = 'PROCESSING_THUNDERHEAD'
RETURNING batch_key;

-- schedule_polls --
-- Not ended yet: let the batches go and say when to ask again.
UPDATE thunderhead_batches b
SET next_poll_at = now() + w.wait_seconds * interval '1 second', polls = b.polls + w.asked::integer,
    lease_token = NULL, lease_until = NULL
FROM unnest(%(batch_keys)s::bigint[], %(wait_seconds)s::float[], %(asked)s::boolean[]) AS w (batch_key, wait_seconds, asked)
WHERE b.batch_key = w.batch_key AND b.lease_token = %(lease_token)s;

-- end_batches --
-- What Thunderhead made of them. The fence: only batches under the worker's own lease are changed and returned.
UPDATE thunderhead_batches b
SET status = w.status, dms_document_id = w.dms_document_id, ended_at = now(), polls = b.polls + 1,
    slice_id = %(slice_id)s, lease_token = NULL, lease_until = NULL
FROM unnest(%(batch_keys)s::bigint[], %(statuses)s::text[], %(dms_document_ids)s::bigint[])
    AS w (batch_key, status, dms_document_id)
WHERE b.batch_key = w.batch_key AND b.lease_token = %(lease_token)s AND b.status = 'PROCESSING_THUNDERHEAD'
RETURNING b.request_id;

-- requeue_failed_generations --
-- Thunderhead failed, but another attempt may help: back into the queue, after the back-off.
WITH wanted AS (
    SELECT * FROM unnest(%(request_ids)s::bigint[], %(wait_seconds)s::float[], %(categories)s::text[],
        %(descriptions)s::text[]) AS w (request_id, wait_seconds, category, description)
), moved AS (
    UPDATE document_requests r
    SET status = 'QUEUED', spent = r.spent + 1, due_at = now() + w.wait_seconds * interval '1 second'
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
