-- lock_due_requests --
-- Lock the requests to claim next, in that order, until the transaction ends. Claimers never wait on each other.
-- Source systems take turns; within one, the rank decides (priority, then waiting time). Requests before their due_at and
-- those that are held or of a paused document type are left out, and so are types and source systems without room, so that
-- they hold up nobody. With abandoned, requests whose lease has run out come first.
WITH RECURSIVE systems AS (  -- the source systems that have something queued, one index probe each
    (SELECT source_system FROM document_requests WHERE status = 'QUEUED' ORDER BY source_system LIMIT 1)
    UNION ALL
    SELECT (SELECT r.source_system FROM document_requests r
            WHERE r.status = 'QUEUED' AND r.source_system > s.source_system ORDER BY r.source_system LIMIT 1)
    FROM systems s WHERE s.source_system IS NOT NULL
), held AS (  -- the held runs, to read past their requests: stop_of, for each of them, takes twenty times as long
    SELECT array_agg(run_id) AS runs, array_agg(coalesce(above_request_id, 0)) AS above
    FROM request_holds WHERE released_at IS NULL AND (until IS NULL OR until > now()) AND run_id IS NOT NULL
), queued AS (
    SELECT q.request_id, q.rank_at, q.source_system, q.document_type, false AS worker_died, 0 AS deaths,
           row_number() OVER (PARTITION BY q.source_system ORDER BY q.rank_at, q.request_id) AS turn
    FROM systems s CROSS JOIN held h CROSS JOIN LATERAL (
        SELECT request_id, rank_at, r.source_system, r.document_type FROM document_requests r
        WHERE r.status = 'QUEUED' AND r.source_system = s.source_system
          AND r.rank_at <= now() + interval '600 seconds' AND r.due_at <= now()
          AND (r.run_id IS NULL OR coalesce(r.request_id <= h.above[array_position(h.runs, r.run_id)], true))
          AND NOT EXISTS (SELECT FROM stop_of(r.source_system, r.document_type, r.document_name, r.run_id, r.request_id))
          AND r.document_type <> ALL (%(full_types)s) AND r.source_system <> ALL (%(full_systems)s)
        ORDER BY r.rank_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) q
), abandoned AS (
    SELECT a.request_id, a.rank_at, a.source_system, a.document_type, a.worker_died,
           a.takeovers + a.worker_died::integer AS deaths, 0 AS turn
    FROM (
        SELECT r.request_id, r.rank_at, r.source_system, r.document_type, r.takeovers,
               EXISTS (SELECT FROM slices s WHERE s.slice_id = r.slice_id AND s.opened_at IS NOT NULL) AS worker_died
        FROM document_requests r WHERE r.lease_until < now() AND %(abandoned)s
        ORDER BY r.lease_until LIMIT %(limit)s FOR UPDATE SKIP LOCKED) a
)
SELECT request_id, source_system, document_type, worker_died, deaths
FROM (SELECT * FROM queued UNION ALL SELECT * FROM abandoned) due
ORDER BY turn, rank_at, request_id LIMIT %(limit)s;

-- room_at_thunderhead --
-- Number of requests that may be claimed in addition, by document type or by source system; '*' is all together. A limit of
-- requests in flight counts what Thunderhead generates, too. The rate of a document type or source system allows as many as
-- it hands in within the seconds. What has no limit has no row.
WITH limits AS (
    SELECT document_type, '*' AS source_system, most_in_flight AS most, true AS with_batches FROM outside_systems
    WHERE system = 'THUNDERHEAD' AND most_in_flight IS NOT NULL
    UNION ALL
    SELECT '*', source_system, most_in_flight, true FROM source_system_limits WHERE most_in_flight IS NOT NULL
    UNION ALL
    SELECT '*', source_system, ceil(most_per_second * %(seconds)s::numeric), false FROM source_system_limits
    WHERE most_per_second IS NOT NULL
    UNION ALL
    SELECT document_type, '*', ceil(most_per_second * %(seconds)s::numeric), false FROM outside_systems
    WHERE system = 'THUNDERHEAD' AND document_type <> '*' AND most_per_second IS NOT NULL
), open_work AS (  -- counted only where there is a limit
    SELECT document_type, source_system, is_batch, count(*) AS number FROM (
        SELECT r.document_type, r.source_system, true AS is_batch
        FROM thunderhead_batches b JOIN document_requests r USING (request_id) WHERE b.status = 'PROCESSING_THUNDERHEAD'
        UNION ALL
        SELECT document_type, source_system, false FROM document_requests WHERE lease_until >= now()) one
    WHERE EXISTS (SELECT FROM limits)
    GROUP BY document_type, source_system, is_batch
)
SELECT l.document_type, l.source_system, min(greatest(l.most - coalesce((
    SELECT sum(o.number) FROM open_work o
    WHERE l.document_type IN ('*', o.document_type) AND l.source_system IN ('*', o.source_system)
      AND (l.with_batches OR NOT o.is_batch)), 0), 0))::integer AS room
FROM limits l GROUP BY l.document_type, l.source_system;

-- end_what_is_over --
-- End the holds, pauses and limits whose time is over. The audit trail gets an entry, with the name of the person who set the time.
WITH holds AS (
    UPDATE request_holds h SET released_at = until, released_by = held_by,
        conditions = conditions - '{metadata_value,error_text}'::text[]
    WHERE released_at IS NULL AND until <= now()
    RETURNING hold_id, held_by AS actor, 'release' AS action, words_of_hold(h) AS subject, until
), pauses AS (
    UPDATE outside_systems o SET paused_at = NULL, paused_by = NULL, paused_why = NULL, paused_until = NULL
    FROM (SELECT system, document_type, paused_by, paused_until FROM outside_systems
          WHERE paused_until <= now() FOR UPDATE) was
    WHERE o.system = was.system AND o.document_type = was.document_type
    RETURNING NULL::bigint AS hold_id, was.paused_by AS actor, 'resume_system' AS action,
              o.system || ' ' || o.document_type AS subject, was.paused_until AS until
), limits AS (
    DELETE FROM source_system_limits WHERE until <= now()
    RETURNING NULL::bigint AS hold_id, set_by AS actor, 'limit_source_system' AS action, source_system AS subject, until
)
INSERT INTO operator_actions (actor, door, action, subject, reason, before)
SELECT coalesce(actor, 'unknown'), 'console', action, subject, 'its time is over',
       jsonb_strip_nulls(jsonb_build_object('hold_id', hold_id, 'until', utc_text(until)))
FROM (SELECT * FROM holds UNION ALL SELECT * FROM pauses UNION ALL SELECT * FROM limits) over;

-- cut_slice --
-- Insert a slice of a run, under a lease. It may be empty: its worker claims due work into it.
INSERT INTO slices (job, dag_run_id, ordinal, size, lease_until, label)
VALUES (%(job)s, %(dag_run_id)s, %(ordinal)s, %(size)s, now() + %(lease_seconds)s * interval '1 second', %(label)s)
RETURNING slice_id, ordinal, label, lease_token;

-- grow_slice --
-- Count more work into a slice. No row: the slice has passed to another worker.
UPDATE slices SET size = size + %(size)s
WHERE slice_id = %(slice_id)s AND lease_token = %(lease_token)s
RETURNING slice_id, ordinal, label, lease_token;

-- claim_requests --
-- Lease locked requests to a slice.
WITH claimed AS (
    UPDATE document_requests r
    SET status = 'PROCESSING', slice_id = %(slice_id)s, lease_token = %(lease_token)s,
        lease_until = now() + %(lease_seconds)s * interval '1 second',
        takeovers = r.takeovers + locked.worker_died::integer
    FROM unnest(%(request_ids)b::bigint[], %(worker_died)b::boolean[]) AS locked (request_id, worker_died)
    WHERE r.request_id = locked.request_id
    RETURNING r.request_id, locked.worker_died
), doubt AS (  -- a worker that died may have submitted: the name is looked up after the settling time
    UPDATE thunderhead_batches b SET unsure_since = now()
    FROM claimed c
    WHERE c.worker_died AND b.request_id = c.request_id AND b.status || '' = 'PROCESSING_OMS' AND b.unsure_since IS NOT NULL
)
INSERT INTO request_timeline (request_id, event, actor, slice_id)
SELECT request_id, CASE WHEN worker_died THEN 'TAKEN_OVER' ELSE 'CLAIMED' END, 'document_processing', %(slice_id)s
FROM claimed;

-- lock_due_batches --
-- Lock the batches to poll next, the longest due first, until the transaction ends. Claimers never wait on each other.
-- Only with abandoned, those whose lease has run out are among them.
SELECT b.batch_key, b.request_id, d.worker_died,
       CASE WHEN d.worker_died THEN 1 + (SELECT takeovers FROM document_requests r WHERE r.request_id = b.request_id) ELSE 0 END AS deaths
FROM thunderhead_batches b
CROSS JOIN LATERAL (
    SELECT b.lease_until IS NOT NULL AND EXISTS (
        SELECT FROM slices s WHERE s.slice_id = b.slice_id AND s.opened_at IS NOT NULL) AS worker_died) d
WHERE b.status = 'PROCESSING_THUNDERHEAD' AND b.next_poll_at <= now() + %(ahead_seconds)s * interval '1 second'
  AND (b.lease_until IS NULL OR (b.lease_until < now() AND %(abandoned)s))
ORDER BY b.next_poll_at LIMIT %(limit)s FOR UPDATE OF b SKIP LOCKED;

-- claim_batches --
-- Lease locked batches to a slice. A worker that died is counted at the requests whose batches it held.
WITH died AS (
    UPDATE document_requests SET takeovers = takeovers + 1 WHERE request_id = ANY (%(died_with)s)
)
UPDATE thunderhead_batches
SET slice_id = %(slice_id)s, lease_token = %(lease_token)s,
    lease_until = now() + %(lease_seconds)s * interval '1 second'
WHERE batch_key = ANY (%(batch_keys)b);

-- slices_of_run --
-- The slices that this run has claimed already: a claim that is repeated returns the same.
SELECT slice_id, ordinal, label FROM slices
WHERE job = %(job)s AND dag_run_id = %(dag_run_id)s ORDER BY ordinal;

-- slices_at_work --
-- Number of slices of a job that have a worker, or will have one in a moment.
SELECT count(*)::integer AS at_work FROM slices
WHERE job = %(job)s AND closed_at IS NULL AND lease_until > now();

-- open_slice --
-- Open a slice. The first worker keeps the lease of the claim. Every later one gets a new token, so that an earlier worker
-- can write nothing more.
WITH seen AS (
    SELECT slice_id, opened_at, generation, lease_token, lease_until FROM slices WHERE slice_id = %(slice_id)s FOR UPDATE
)
UPDATE slices s
SET opened_at = now(), closed_at = NULL, map_index = %(map_index)s,
    generation = greatest(s.generation, %(generation)s),
    lease_token = CASE WHEN seen.opened_at IS NULL THEN s.lease_token ELSE nextval('lease_tokens') END
FROM seen WHERE s.slice_id = seen.slice_id
RETURNING s.lease_token, seen.lease_token AS former_token, seen.opened_at IS NOT NULL AS reopened,
    coalesce(extract(epoch FROM seen.lease_until - now()), 0)::float AS holds_for_seconds,
    coalesce(%(generation)s > seen.generation, false) AS cleared;

-- reclaim_slice --
-- Move what a former worker of this slice still holds to the new token. That worker may be alive: what it may have
-- submitted counts as unsure until its lease would have run out.
WITH reclaimed AS (
    UPDATE document_requests r
    SET lease_token = %(lease_token)s, lease_until = now() + %(lease_seconds)s * interval '1 second',
        takeovers = r.takeovers + 1
    FROM document_requests former
    WHERE r.slice_id = %(slice_id)s AND r.lease_token = %(former_token)s AND r.status = 'PROCESSING'
      AND former.request_id = r.request_id
    RETURNING r.request_id, former.lease_until AS former_lease_until
), doubt AS (
    UPDATE thunderhead_batches b SET unsure_since = greatest(now(), c.former_lease_until)
    FROM reclaimed c
    WHERE b.request_id = c.request_id AND b.status || '' = 'PROCESSING_OMS' AND b.unsure_since IS NOT NULL
)
SELECT count(*) AS reclaimed FROM reclaimed;

-- held_requests --
-- What a worker needs of the requests that it holds, without their content. Only a request with attempts may have an intent;
-- for the others the batches are not searched, because PostgreSQL may plan that search by an index that it believes to be empty.
SELECT r.request_id, r.source_system, r.request_correlation_id, r.document_type, r.document_name, r.document_language,
       r.source_environment, r.traceparent, r.stage, r.spent, r.takeovers,
       coalesce(octet_length(p.content::text), 0) + coalesce(octet_length(b.xml), 0) AS content_bytes,
       coalesce((SELECT json_object_agg(m.key, m.value ORDER BY m.key) FROM request_metadata m
                 WHERE m.request_id = r.request_id), '{}') AS metadata,
       b.batch_name, b.batch_config_id, b.unsure_since,
       extract(epoch FROM b.unsure_since - now())::float AS unsure_for_seconds
FROM document_requests r
LEFT JOIN request_payloads p USING (request_id)
LEFT JOIN LATERAL (
    SELECT batch_name, batch_config_id, xml, unsure_since
    FROM thunderhead_batches LEFT JOIN batch_payloads USING (batch_key)
    WHERE r.attempts > 0 AND request_id = r.request_id AND status || '' = 'PROCESSING_OMS' OFFSET 0) b ON true
WHERE r.slice_id = %(slice_id)s AND r.lease_token = %(lease_token)s AND r.status = 'PROCESSING'
ORDER BY r.rank_at, r.request_id;

-- contents_of_requests --
-- The content of these requests, and the XML of the open intents that some of them have.
SELECT p.request_id, p.content::text AS content, NULL AS xml FROM request_payloads p
WHERE p.request_id = ANY (%(request_ids)s)
UNION ALL
SELECT b.request_id, NULL, x.xml FROM thunderhead_batches b JOIN batch_payloads x USING (batch_key)
WHERE b.request_id = ANY (%(with_intents)s) AND b.status || '' = 'PROCESSING_OMS';

-- requests_are_due --
-- Whether there may be something to claim. (min, not EXISTS: with statistics that were taken during a flood,
-- PostgreSQL expects an early hit and scans the table for EXISTS.)
WITH held AS (  -- as in lock_due_requests
    SELECT array_agg(run_id) AS runs, array_agg(coalesce(above_request_id, 0)) AS above
    FROM request_holds WHERE released_at IS NULL AND (until IS NULL OR until > now()) AND run_id IS NOT NULL
)
SELECT coalesce((
    SELECT min(due_at) FROM document_requests WHERE status = 'QUEUED'
    AND (run_id IS NULL
         OR coalesce(request_id <= (SELECT above FROM held)[array_position((SELECT runs FROM held), run_id)], true))
    AND 0 = (SELECT count(*) FROM stop_of(source_system, document_type, document_name, run_id, request_id))) <= now(), false) AS are_due;

-- renew_request_leases --
-- Renew the lease of a slice and of the requests that it holds. No row: it holds nothing, or has passed to another worker.
WITH slice AS (
    UPDATE slices SET lease_until = now() + %(lease_seconds)s * interval '1 second'
    WHERE slice_id = %(slice_id)s AND lease_token = %(lease_token)s
)
UPDATE document_requests SET lease_until = now() + %(lease_seconds)s * interval '1 second'
WHERE slice_id = %(slice_id)s AND lease_token = %(lease_token)s AND status = 'PROCESSING'
RETURNING request_id;

-- size_of_slice --
-- Number of requests or batches that a slice has had.
SELECT size FROM slices WHERE slice_id = %(slice_id)s;

-- close_slice --
-- Close a slice, and notify the watcher of its job. A slice that has grown gets a new label.
WITH closed AS (
    UPDATE slices SET closed_at = now(), lease_until = NULL, label = coalesce(%(label)s, label)
    WHERE slice_id = %(slice_id)s AND lease_token = %(lease_token)s
    RETURNING job
)
SELECT pg_notify('oms_work', job) FROM closed;

-- requests_in_hands --
-- Number of requests that workers of document_processing hold.
SELECT count(*)::integer AS number FROM document_requests WHERE lease_until >= now();
