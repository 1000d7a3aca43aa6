-- claim_due_requests --
-- Cut due requests into slices, a lease each; or, for a worker that has a slice and can take more, into that one.
-- Claimers never wait on each other.
-- Source systems take turns; within one, the rank decides (priority, then waiting). Nothing before its due_at, and
-- nothing that the dial forbids. Requests whose worker died come in slices that are an eighth as large each time, so
-- that one that kills its worker is soon alone.
WITH RECURSIVE systems AS (  -- the source systems that have something queued, one index probe each
    (SELECT source_system FROM document_requests WHERE status = 'QUEUED' ORDER BY source_system LIMIT 1)
    UNION ALL
    SELECT (SELECT r.source_system FROM document_requests r
            WHERE r.status = 'QUEUED' AND r.source_system > s.source_system ORDER BY r.source_system LIMIT 1)
    FROM systems s WHERE s.source_system IS NOT NULL
), dial AS (
    SELECT document_type, most_in_flight, paused_at IS NOT NULL AS paused
    FROM outside_systems WHERE system = 'THUNDERHEAD'
), in_flight AS (  -- at Thunderhead or on the way; counted only where the dial limits it
    SELECT document_type, count(*) AS n FROM (
        SELECT r.document_type FROM thunderhead_batches b JOIN document_requests r USING (request_id)
        WHERE b.status = 'PROCESSING_THUNDERHEAD'
        UNION ALL
        SELECT document_type FROM document_requests WHERE lease_until >= now()) open_work
    WHERE EXISTS (SELECT FROM dial WHERE most_in_flight IS NOT NULL)
    GROUP BY document_type
), room AS (
    SELECT d.document_type, greatest(d.most_in_flight - coalesce((
        SELECT sum(f.n) FROM in_flight f WHERE d.document_type IN ('*', f.document_type)), 0), 0) AS n
    FROM dial d WHERE d.most_in_flight IS NOT NULL
), queued AS (
    SELECT q.*, false AS worker_died, 0 AS deaths,
           row_number() OVER (PARTITION BY q.source_system ORDER BY q.rank_at, q.request_id) AS turn
    FROM systems s CROSS JOIN LATERAL (
        SELECT request_id, rank_at, r.source_system, r.document_type FROM document_requests r
        WHERE r.status = 'QUEUED' AND r.source_system = s.source_system
          AND r.rank_at <= now() + interval '600 seconds' AND r.due_at <= now()
          AND NOT EXISTS (SELECT FROM dial d WHERE d.paused AND d.document_type = r.document_type)
        ORDER BY r.rank_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) q
), abandoned AS (
    SELECT a.*, a.takeovers + a.worker_died::integer AS deaths, 0 AS turn
    FROM (
        SELECT r.request_id, r.rank_at, r.source_system, r.document_type, r.takeovers,
               EXISTS (SELECT FROM slices s WHERE s.slice_id = r.slice_id AND s.opened_at IS NOT NULL) AS worker_died
        FROM document_requests r WHERE r.lease_until < now() AND %(slice_id)s::bigint IS NULL
        ORDER BY r.lease_until LIMIT %(limit)s FOR UPDATE SKIP LOCKED) a
), wanted AS (
    SELECT *, row_number() OVER (ORDER BY turn, rank_at, request_id) AS nth,
           row_number() OVER (PARTITION BY document_type ORDER BY turn, rank_at, request_id) AS nth_of_type
    FROM (SELECT request_id, rank_at, source_system, document_type, worker_died, deaths, turn FROM queued
          UNION ALL
          SELECT request_id, rank_at, source_system, document_type, worker_died, deaths, turn FROM abandoned) either
), due AS (
    SELECT *, dense_rank() OVER (ORDER BY deaths, part) - 1 AS ordinal
    FROM (
        SELECT *, (row_number() OVER (PARTITION BY deaths ORDER BY nth) - 1)
                  / greatest(%(slice_size)s / 8 ^ least(deaths, 8), 1)::integer AS part
        FROM wanted w
        WHERE nth <= least(%(limit)s, (SELECT n FROM room WHERE document_type = '*'))
          AND nth_of_type <= coalesce((SELECT n FROM room WHERE document_type = w.document_type), nth_of_type)) parted
    WHERE deaths = 0 OR part < greatest(%(limit)s / %(slice_size)s, 1)  -- on probation the limit is not a slice's size
), cut AS (
    INSERT INTO slices (job, dag_run_id, ordinal, size, lease_until, label)
    SELECT 'document_processing', %(dag_run_id)s, ordinal, sum(n), now() + %(lease_seconds)s * interval '1 second',
        CASE sum(n)
        WHEN 1 THEN format('request %%s of %%s', min(first_id), min(source_system))
        ELSE format('%%s requests, %%s to %%s: %%s', sum(n), min(first_id), max(last_id),
                    string_agg(n || ' ' || source_system, ', ' ORDER BY source_system)) END
    FROM (SELECT ordinal, source_system, count(*) AS n, min(request_id) AS first_id, max(request_id) AS last_id
          FROM due WHERE %(slice_id)s::bigint IS NULL GROUP BY ordinal, source_system) part
    GROUP BY ordinal
    RETURNING slice_id, ordinal, label, lease_token
), grown AS (
    UPDATE slices SET size = size + (SELECT count(*) FROM due)
    WHERE slice_id = %(slice_id)s AND lease_token = %(lease_token)s
    RETURNING slice_id, 0 AS ordinal, label, lease_token
), into_slices AS (
    SELECT * FROM cut UNION ALL SELECT * FROM grown
), claimed AS (
    UPDATE document_requests r
    SET status = 'PROCESSING', slice_id = s.slice_id, lease_token = s.lease_token,
        lease_until = now() + %(lease_seconds)s * interval '1 second',
        takeovers = r.takeovers + due.worker_died::integer
    FROM due JOIN into_slices s USING (ordinal)
    WHERE r.request_id = due.request_id
    RETURNING r.request_id, r.slice_id, due.worker_died
), doubt AS (  -- a worker that died may have submitted: its names are looked up, after the settling time
    UPDATE thunderhead_batches b SET unsure_since = now()
    FROM claimed c
    WHERE c.worker_died AND b.request_id = c.request_id AND b.status || '' = 'PROCESSING_OMS' AND b.unsure_since IS NOT NULL
), told AS (
    INSERT INTO request_timeline (request_id, event, actor, slice_id)
    SELECT request_id, CASE WHEN worker_died THEN 'TAKEN_OVER' ELSE 'CLAIMED' END, 'document_processing', slice_id
    FROM claimed
)
SELECT slice_id, ordinal, label FROM into_slices WHERE EXISTS (SELECT FROM due) ORDER BY ordinal;

-- slices_of_run --
-- The slices that this run has claimed already: a claim that runs twice answers the same.
SELECT slice_id, ordinal, label FROM slices
WHERE job = %(job)s AND dag_run_id = %(dag_run_id)s ORDER BY ordinal;

-- slices_at_work --
-- How many slices of a job have a worker, or will have one in a moment.
SELECT count(*)::integer AS at_work FROM slices
WHERE job = %(job)s AND closed_at IS NULL AND lease_until > now();

-- open_slice --
-- Take a slice up. The first worker writes under the claim's own lease; every later one under a new token,
-- so that whoever held it before can write nothing more.
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
-- Move what a former worker of this slice still holds under the new token. It may be alive: what it may have
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
-- All that a worker needs to know about the requests it holds. Only who has been tried before may have an intent: the
-- others are not looked for, in an index that PostgreSQL may still believe to be empty.
SELECT r.request_id, r.source_system, r.request_correlation_id, r.document_type, r.document_name, r.document_language,
       r.source_environment, r.traceparent, r.stage, r.spent, r.takeovers, p.content::text AS content,
       coalesce((SELECT json_object_agg(m.key, m.value ORDER BY m.key) FROM request_metadata m
                 WHERE m.request_id = r.request_id), '{}') AS metadata,
       b.batch_name, b.batch_config_id, b.xml, b.unsure_since,
       extract(epoch FROM b.unsure_since - now())::float AS unsure_for_seconds
FROM document_requests r
LEFT JOIN request_payloads p USING (request_id)
LEFT JOIN LATERAL (
    SELECT batch_name, batch_config_id, xml, unsure_since
    FROM thunderhead_batches LEFT JOIN batch_payloads USING (batch_key)
    WHERE r.attempts > 0 AND request_id = r.request_id AND status || '' = 'PROCESSING_OMS' OFFSET 0) b ON true
WHERE r.slice_id = %(slice_id)s AND r.lease_token = %(lease_token)s AND r.status = 'PROCESSING'
ORDER BY r.rank_at, r.request_id;

-- requests_are_due --
-- Whether there may be something to claim. (min, not EXISTS: that one trusts the statistics, and where these are from the
-- midst of a flood it looks through the table for the first of many.)
SELECT coalesce((SELECT min(due_at) FROM document_requests WHERE status = 'QUEUED') <= now(), false) AS are_due;

-- renew_request_leases --
-- Hold on to what a worker still works. Nothing renewed: it holds nothing, or the slice has passed to another worker.
WITH slice AS (
    UPDATE slices SET lease_until = now() + %(lease_seconds)s * interval '1 second'
    WHERE slice_id = %(slice_id)s AND lease_token = %(lease_token)s
)
UPDATE document_requests SET lease_until = now() + %(lease_seconds)s * interval '1 second'
WHERE slice_id = %(slice_id)s AND lease_token = %(lease_token)s AND status = 'PROCESSING'
RETURNING request_id;

-- close_slice --
-- The worker is through with it, and nobody is at it any more: the watcher of its job looks for itself again. Where it
-- took more than it was cut with, it has another label now.
WITH closed AS (
    UPDATE slices SET closed_at = now(), lease_until = NULL, label = coalesce(%(label)s, label)
    WHERE slice_id = %(slice_id)s AND lease_token = %(lease_token)s
    RETURNING job
)
SELECT pg_notify('oms_work', job) FROM closed;
