-- watcher_waits --
-- Ask to be notified: from now on, whoever commits due work sends a NOTIFY to this job's watcher.
UPDATE watchers SET waiting = true WHERE job = %(job)s AND NOT waiting;

-- watcher_is_awake --
-- Stop the notifications. NOTIFY makes PostgreSQL serialise commits, so it is sent only while a watcher waits.
UPDATE watchers SET waiting = false WHERE job = %(job)s AND waiting;

-- wake --
-- Notify the watcher of a job, if it waits.
SELECT pg_notify('oms_work', job) FROM watchers WHERE job = %(job)s AND waiting;

-- document_processing_due_in --
-- Seconds until work of document_processing is due; zero or less: now; null: none known. While a system that it needs
-- is paused, none is known; while its breaker is open, nothing is due before that ends. What is held does not count; the
-- end of a hold or of a pause does. While workers are at work, they take what comes in; what they have not taken after
-- keep_up_seconds is due for one more worker, up to max_slices.
SELECT at_work, extract(epoch FROM least(CASE WHEN NOT paused THEN greatest(
    CASE WHEN workers >= %(max_slices)s THEN first_lease_ends END,
    least((SELECT min(due_at) FROM document_requests WHERE status = 'QUEUED'
           AND 0 = (SELECT count(*) FROM stop_of(source_system, document_type, document_name, run_id, request_id)))
              + CASE WHEN at_work THEN %(keep_up_seconds)s * interval '1 second' ELSE '0' END,
          (SELECT min(lease_until) FROM document_requests WHERE lease_until IS NOT NULL)),
    open_until) END,
    (SELECT min(until) FROM request_holds WHERE released_at IS NULL),
    (SELECT min(paused_until) FROM outside_systems),
    (SELECT min(until) FROM source_system_limits)) - now())::float AS due_in
FROM (SELECT count(*) > 0 AS at_work, count(*) AS workers, min(lease_until) AS first_lease_ends FROM slices
      WHERE job = 'document_processing' AND closed_at IS NULL AND lease_until > now()) slices,
     (SELECT coalesce(bool_or(paused_at IS NOT NULL), false) AS paused, max(open_until) AS open_until
      FROM outside_systems WHERE system IN ('THUNDERHEAD', 'REFERENCE_DATA') AND document_type = '*') systems;

-- document_monitoring_due_in --
-- The same for document_monitoring, which also publishes what an earlier run could not. Requests on their way to
-- Thunderhead count as due while no monitoring worker is there: it starts together with document_processing.
SELECT at_work, extract(epoch FROM least(
    CASE WHEN NOT paused THEN greatest(
        CASE WHEN workers >= %(max_slices)s THEN first_lease_ends END,
        least((SELECT min(greatest(next_poll_at + CASE WHEN at_work THEN %(keep_up_seconds)s * interval '1 second' ELSE '0' END, lease_until))
               FROM (
                  SELECT next_poll_at, lease_until FROM thunderhead_batches
                  WHERE status = 'PROCESSING_THUNDERHEAD' ORDER BY next_poll_at LIMIT 1000) next),
              CASE WHEN NOT at_work THEN (
                  SELECT min(since) FROM (
                      SELECT min(due_at) AS since FROM document_requests
                      WHERE status = 'QUEUED' AND due_at BETWEEN now() - %(recently_due_seconds)s * interval '1 second' AND now()
                      UNION ALL
                      SELECT now() - %(recently_due_seconds)s * interval '1 second'
                      WHERE (SELECT max(lease_until) FROM document_requests WHERE lease_until IS NOT NULL) >= now()) on_its_way) END),
        open_until) END,
    (SELECT min(due_at) + interval '5 seconds' FROM waiting_topics)) - now())::float AS due_in
FROM (SELECT count(*) > 0 AS at_work, count(*) AS workers, min(lease_until) AS first_lease_ends FROM slices
      WHERE job = 'document_monitoring' AND closed_at IS NULL AND lease_until > now()) slices,
     (SELECT coalesce(bool_or(paused_at IS NOT NULL), false) AS paused, max(open_until) AS open_until
      FROM outside_systems WHERE system = 'THUNDERHEAD' AND document_type = '*') systems;
