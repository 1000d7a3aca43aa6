-- tally_requests --
-- The number of requests accepted in a window, and how many of them ended or are open.
SELECT count(*) AS requests_in,
       count(*) FILTER (WHERE ended_at IS NOT NULL) AS requests_ended,
       count(*) FILTER (WHERE ended_at IS NULL) AS requests_open
FROM document_requests WHERE created_at >= %(window_from)s AND created_at < %(window_to)s;

-- requests_that_do_not_add_up --
-- Requests of a window without ACCEPTED, with an end that has no final event, or that no job will continue.
WITH requests AS MATERIALIZED (
    SELECT * FROM document_requests WHERE created_at >= %(window_from)s AND created_at < %(window_to)s
), wrong AS (
    SELECT 'NOT_ACCEPTED' AS kind, request_id, 'it has no ACCEPTED in its timeline' AS detail FROM requests r
    WHERE NOT EXISTS (SELECT FROM request_timeline t WHERE t.request_id = r.request_id AND t.event = 'ACCEPTED')
    UNION ALL
    SELECT 'END_WITHOUT_EVENT', request_id, format('end %%s has no final event and is not in the timeline', ends.revision)
    FROM requests r CROSS JOIN LATERAL generate_series(1, r.revision) AS ends (revision)
    WHERE NOT EXISTS (
        SELECT FROM final_events e WHERE e.request_id = r.request_id AND e.revision = ends.revision)
      AND NOT EXISTS (  -- else events_that_do_not_add_up lists it
        SELECT FROM request_timeline t WHERE t.request_id = r.request_id
        AND t.event IN ('COMPLETED', 'FAILED', 'STOPPED') AND (t.detail->>'revision')::integer = ends.revision)
    UNION ALL
    SELECT 'IN_NOBODYS_HANDS', request_id, 'it is PROCESSING, and neither a slice nor Thunderhead has it'
    FROM requests r WHERE r.status = 'PROCESSING' AND r.lease_until IS NULL AND NOT EXISTS (
        SELECT FROM thunderhead_batches b WHERE b.request_id = r.request_id AND b.status = 'PROCESSING_THUNDERHEAD')
)
SELECT kind, request_id, detail
FROM wrong ORDER BY row_number() OVER (PARTITION BY kind ORDER BY request_id), kind LIMIT %(limit)s;

-- tally_events --
-- The number of ends in the timeline of a window, and of its final events: published, waiting, set aside.
SELECT (SELECT count(*) FROM request_timeline WHERE at >= %(window_from)s AND at < %(window_to)s
        AND event IN ('COMPLETED', 'FAILED', 'STOPPED')) AS ends,
       count(*) AS events,
       count(*) FILTER (WHERE published_at IS NOT NULL) AS events_published,
       count(*) FILTER (WHERE published_at IS NULL AND set_aside_at IS NULL) AS events_waiting,
       count(*) FILTER (WHERE published_at IS NULL AND set_aside_at IS NOT NULL) AS events_set_aside
FROM final_events WHERE created_at >= %(window_from)s AND created_at < %(window_to)s AND run_id IS NULL;

-- tally_runs --
-- The number of runs opened in a window, and how many of them have completed or are open.
SELECT count(*) AS runs_opened, count(completed_at) AS runs_completed, count(*) - count(completed_at) AS runs_open
FROM runs WHERE opened_at >= %(window_from)s AND opened_at < %(window_to)s;

-- runs_that_do_not_add_up --
-- Runs that completed in a window without an event, or whose event counts other requests than they have; events of runs
-- that are set aside.
WITH completed AS (
    SELECT u.run_id, u.expected, e.event, e.set_aside_reason
    FROM runs u LEFT JOIN final_events e ON e.run_id = u.run_id
    WHERE u.completed_at >= %(window_from)s AND u.completed_at < %(window_to)s
), wrong AS (
    SELECT 'RUN_WITHOUT_EVENT' AS kind, run_id, format('run %%s has completed and has no event', run_id) AS detail
    FROM completed WHERE event IS NULL
    UNION ALL
    SELECT 'RUN_DIFFERS', c.run_id, format('run %%s has %%s requests, and its event counts %%s', c.run_id, r.received,
                                           c.event->'data'->>'received')
    FROM completed c CROSS JOIN LATERAL (
        SELECT count(*) AS received FROM document_requests WHERE run_id = c.run_id) r
    WHERE r.received <> (c.event->'data'->>'received')::integer OR r.received <> c.expected
    UNION ALL
    SELECT 'EVENT_SET_ASIDE', run_id, format('event of run %%s: %%s', run_id, set_aside_reason)
    FROM completed WHERE set_aside_reason IS NOT NULL
)
SELECT kind, NULL::bigint AS request_id, detail
FROM wrong ORDER BY row_number() OVER (PARTITION BY kind ORDER BY run_id), kind LIMIT %(limit)s;

-- events_that_do_not_add_up --
-- Ends of a window without a final event, final events without an end, and final events that are set aside.
WITH wrong AS (
    SELECT 'END_WITHOUT_EVENT' AS kind, t.request_id, format('end %%s has no final event', t.detail->>'revision') AS detail
    FROM request_timeline t
    WHERE t.at >= %(window_from)s AND t.at < %(window_to)s AND t.event IN ('COMPLETED', 'FAILED', 'STOPPED')
      AND NOT EXISTS (SELECT FROM final_events e
                      WHERE e.request_id = t.request_id AND e.revision = (t.detail->>'revision')::integer)
    UNION ALL
    SELECT 'EVENT_WITHOUT_END', e.request_id, format('final event %%s has no end', e.revision)
    FROM final_events e
    WHERE e.created_at >= %(window_from)s AND e.created_at < %(window_to)s AND e.run_id IS NULL
      AND NOT EXISTS (SELECT FROM request_timeline t WHERE t.request_id = e.request_id
                      AND t.event IN ('COMPLETED', 'FAILED', 'STOPPED')
                      AND (t.detail->>'revision')::integer = e.revision)
    UNION ALL
    SELECT 'EVENT_SET_ASIDE', e.request_id, format('final event %%s: %%s', e.revision, e.set_aside_reason)
    FROM final_events e
    WHERE e.created_at >= %(window_from)s AND e.created_at < %(window_to)s AND e.set_aside_at IS NOT NULL
      AND e.run_id IS NULL
)
SELECT kind, request_id, detail
FROM wrong ORDER BY row_number() OVER (PARTITION BY kind ORDER BY request_id), kind LIMIT %(limit)s;

-- batches_of_window --
-- The number of batches in a window, the number of those without an id, and the first and last key.
SELECT count(*) AS number, count(*) FILTER (WHERE thunderhead_batch_id IS NULL) AS without_id, coalesce(min(batch_key), 1) AS first_key, coalesce(max(batch_key), 0) AS last_key
FROM thunderhead_batches WHERE created_at >= %(window_from)s AND created_at < %(window_to)s;

-- batches_to_compare --
-- The next batches of a window. A batch that a worker may be submitting now is left out: its id is not stored yet.
SELECT b.batch_key, b.request_id, b.batch_name, b.status, b.thunderhead_batch_id, b.dms_document_id
FROM thunderhead_batches b JOIN document_requests r USING (request_id)
WHERE b.batch_key > %(after_key)s AND b.batch_key <= %(last_key)s
  AND b.created_at >= %(window_from)s AND b.created_at < %(window_to)s
  AND NOT (b.status = 'PROCESSING_OMS' AND r.ended_at IS NULL)
ORDER BY b.batch_key LIMIT %(limit)s;

-- days_not_reconciled --
-- UTC days that are not reconciled yet, the oldest first. They begin with the first day that had requests, but not
-- before `not_before`, because older events may be deleted.
SELECT day::date AS day
FROM generate_series(
    (SELECT greatest(date_trunc('day', created_at AT TIME ZONE 'UTC'), %(not_before)s::date::timestamp)
     FROM document_requests ORDER BY request_id LIMIT 1),
    %(before)s::date - interval '1 day', interval '1 day') AS days (day)
WHERE NOT EXISTS (SELECT FROM reconciliations WHERE window_from = day AT TIME ZONE 'UTC'
                  AND window_to = (day + interval '1 day') AT TIME ZONE 'UTC')
ORDER BY day LIMIT %(limit)s;

-- store_reconciliation --
-- Store a report. It replaces an earlier report of the same window.
INSERT INTO reconciliations (window_from, window_to, dag_run_id, adds_up, counts, discrepancies, report)
VALUES (%(window_from)s, %(window_to)s, %(dag_run_id)s, %(adds_up)s, %(counts)s, %(discrepancies)s, %(report)s)
ON CONFLICT (window_from, window_to) DO UPDATE
SET made_at = now(), dag_run_id = excluded.dag_run_id, adds_up = excluded.adds_up, counts = excluded.counts,
    discrepancies = excluded.discrepancies, report = excluded.report;
