-- count_open_requests --
-- The number of open requests by status, and the age of the oldest one in seconds, counted from the instant that its
-- client wants it from: a request for next week is not old. A back-off does not begin the count anew.
SELECT status, count(*) AS number,
       greatest(extract(epoch FROM now() - min(greatest(created_at, not_before))), 0)::float AS oldest_seconds
FROM document_requests WHERE status IN ('QUEUED', 'PROCESSING') GROUP BY status;

-- gauges --
-- What a scrape shows of this moment: each metric with its labels. At most 100,000 requests of a kind are counted, and pairs
-- of document type and source system beyond the 50 largest are 'other'.
WITH due AS (
    SELECT r.document_type, r.source_system FROM document_requests r
    WHERE r.status = 'QUEUED' AND r.due_at <= now()
      AND NOT EXISTS (SELECT FROM stop_of(r.source_system, r.document_type, r.document_name, r.run_id, r.request_id))
    LIMIT 100000
), red AS (
    SELECT r.document_type, r.source_system FROM document_requests r
    WHERE r.status IN ('FAILED', 'STOPPED') AND r.erased_at IS NULL AND r.resolved_at IS NULL
      AND (r.status = 'FAILED' OR 'CANCELLED' IS DISTINCT FROM (SELECT category FROM last_error(r.request_id)))
    LIMIT 100000
), pairs AS (
    SELECT metric, document_type, source_system, count(*) AS number,
           row_number() OVER (PARTITION BY metric ORDER BY count(*) DESC, document_type, source_system) AS place
    FROM (SELECT 'oms_due_requests' AS metric, * FROM due UNION ALL SELECT 'oms_red_requests', * FROM red) counted
    GROUP BY metric, document_type, source_system
)
SELECT metric, CASE WHEN place <= 50 THEN document_type ELSE 'other' END AS first_label,
       CASE WHEN place <= 50 THEN source_system ELSE 'other' END AS second_label, sum(number)::float AS value
FROM pairs GROUP BY 1, 2, 3
UNION ALL
SELECT 'oms_outbox_events', 'waiting', NULL, count(*) FROM final_events WHERE published_at IS NULL AND set_aside_at IS NULL
UNION ALL
SELECT 'oms_outbox_events', 'set_aside', NULL, count(*) FROM final_events WHERE set_aside_at IS NOT NULL
UNION ALL
SELECT 'oms_breaker_open', system, document_type, (coalesce(open_until > now(), false))::integer FROM outside_systems
UNION ALL
SELECT 'oms_system_paused', system, document_type, (paused_at IS NOT NULL)::integer FROM outside_systems
UNION ALL
SELECT 'oms_open_runs', late, NULL, count(u.deadline)
FROM (VALUES ('false'), ('true')) AS l (late)
LEFT JOIN runs u ON u.completed_at IS NULL AND (u.deadline < now())::text = l.late
GROUP BY late;

-- end_counts --
-- The ends and the seconds from acceptance to event, counted since the beginning, by document type, source system, status and
-- bucket, each with its exemplar.
SELECT document_type, source_system, status, within_seconds, number, seconds, trace_id, trace_seconds,
       extract(epoch FROM traced_at)::float AS traced_at
FROM end_counts ORDER BY document_type, source_system, within_seconds;
