-- note_due_items --
-- Note what a job's query finds and the job does not know yet. The code puts the job's query in the place of `due`.
INSERT INTO job_items (job, request_id)
SELECT %(job)s, due.request_id FROM (SELECT NULL::bigint AS request_id) due
WHERE due.request_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM job_items i WHERE i.request_id = due.request_id AND i.job = %(job)s)
LIMIT %(limit)s
ON CONFLICT DO NOTHING;

-- read_due_items --
-- What the job's query finds now of these requests. The code puts the job's query in the place of `due`.
SELECT due.request_id, to_jsonb(due) AS data FROM (SELECT NULL::bigint AS request_id) due
WHERE due.request_id = ANY (%(request_ids)s);

-- lock_due_items --
-- Lock the items of a job to claim next, until the transaction ends. Claimers never wait on each other.
SELECT i.request_id, i.deaths + d.worker_died::integer AS deaths, d.worker_died
FROM job_items i
CROSS JOIN LATERAL (
    SELECT i.lease_until IS NOT NULL AND EXISTS (
        SELECT FROM slices s WHERE s.slice_id = i.slice_id AND s.opened_at IS NOT NULL) AS worker_died) d
WHERE i.job = %(job)s AND i.done_at IS NULL AND i.refused_why IS NULL AND i.due_at <= now()
  AND (i.lease_until IS NULL OR i.lease_until <= now())
ORDER BY i.due_at, i.request_id LIMIT %(limit)s
FOR UPDATE OF i SKIP LOCKED;

-- claim_items --
-- Lease locked items to a slice. A worker that died may have acted until its lease ran out.
UPDATE job_items i
SET slice_id = %(slice_id)s, lease_token = %(lease_token)s,
    lease_until = now() + %(lease_seconds)s * interval '1 second',
    deaths = i.deaths + locked.worker_died::integer,
    intent_at = CASE WHEN i.intent_at IS NOT NULL THEN greatest(i.intent_at, i.lease_until) END
FROM unnest(%(request_ids)s::bigint[], %(worker_died)s::boolean[]) AS locked (request_id, worker_died)
WHERE i.job = %(job)s AND i.request_id = locked.request_id;

-- hold_items --
-- Lease the open items of a slice to this worker: after a claim or a crash those that were held, after a clear the refused
-- and the waiting ones too. The former worker may act until its lease would have run out.
UPDATE job_items i
SET lease_token = %(lease_token)s, lease_until = now() + %(lease_seconds)s * interval '1 second', refused_why = NULL,
    intent_at = CASE WHEN i.intent_at IS NOT NULL AND i.lease_token <> %(lease_token)s
                     THEN greatest(i.intent_at, i.lease_until) ELSE i.intent_at END
WHERE i.slice_id = %(slice_id)s AND i.done_at IS NULL
  AND (%(cleared)s OR (i.refused_why IS NULL AND i.lease_token IS NOT NULL))
RETURNING i.request_id, i.tries, i.deaths, i.data, extract(epoch FROM now() - i.intent_at)::float AS unsure_for_seconds;

-- renew_item_leases --
-- Renew the lease of a slice and of the items that it holds. No row: it holds nothing, or has passed to another worker.
WITH slice AS (
    UPDATE slices SET lease_until = now() + %(lease_seconds)s * interval '1 second'
    WHERE slice_id = %(slice_id)s AND lease_token = %(lease_token)s
)
UPDATE job_items SET lease_until = now() + %(lease_seconds)s * interval '1 second'
WHERE slice_id = %(slice_id)s AND lease_token = %(lease_token)s
RETURNING request_id;

-- note_intents --
-- Note, before a worker acts on these items, that it may have. Only items that it still holds are returned.
UPDATE job_items i SET intent_at = now(), data = w.data
FROM unnest(%(request_ids)s::bigint[], %(data)s::jsonb[]) AS w (request_id, data)
WHERE i.slice_id = %(slice_id)s AND i.lease_token = %(lease_token)s AND i.request_id = w.request_id
RETURNING i.request_id;

-- record_items --
-- Store what became of items and release them. Items that this worker no longer holds are not changed.
UPDATE job_items i
SET done_at = CASE WHEN w.outcome = 'done' THEN now() END, result = w.result,
    refused_why = CASE WHEN w.outcome = 'refused' THEN w.why END, said = w.said,
    intent_at = CASE w.doubt WHEN 'new' THEN now() WHEN 'as before' THEN i.intent_at END,
    data = CASE WHEN w.doubt <> 'none' THEN i.data END,
    due_at = now() + w.wait_seconds * interval '1 second', lease_token = NULL, lease_until = NULL, deaths = 0,
    tries = CASE WHEN w.outcome = 'later' THEN i.tries + 1 ELSE 0 END
FROM unnest(%(request_ids)s::bigint[], %(outcomes)s::text[], %(results)s::text[], %(whys)s::text[], %(saids)s::text[],
            %(doubts)s::text[], %(waits)s::float[]) AS w (request_id, outcome, result, why, said, doubt, wait_seconds)
WHERE i.slice_id = %(slice_id)s AND i.lease_token = %(lease_token)s AND i.request_id = w.request_id;

-- forget_items --
-- Forget items that are not due any more; if they fall due again, they are noted anew.
DELETE FROM job_items
WHERE slice_id = %(slice_id)s AND lease_token = %(lease_token)s AND request_id = ANY (%(request_ids)s);

-- refused_items --
-- The items of a slice that need a person, with the reason.
SELECT request_id, refused_why FROM job_items
WHERE slice_id = %(slice_id)s AND refused_why IS NOT NULL ORDER BY request_id;
