-- lie_down --
-- From now on whoever brings work tells this watcher.
UPDATE watchers SET waiting = true WHERE job = %(job)s AND NOT waiting;

-- get_up --
-- The watcher is awake: nobody needs to tell it anything.
UPDATE watchers SET waiting = false WHERE job = %(job)s AND waiting;

-- wake --
-- Tell the watcher of a job that work has come, if it waits to be told.
SELECT pg_notify('oms_work', job) FROM watchers WHERE job = %(job)s AND waiting;

-- document_processing_due_in --
-- Seconds until document_processing has something to do; not positive: now; null: nothing in sight.
-- While a system that it needs is paused or out, nothing is due before that ends.
SELECT extract(epoch FROM greatest(
    least((SELECT min(due_at) FROM document_requests WHERE status = 'QUEUED'),
          (SELECT min(lease_until) FROM document_requests WHERE lease_until IS NOT NULL)),
    (SELECT max(CASE WHEN paused_at IS NULL THEN open_until ELSE 'infinity' END) FROM outside_systems
     WHERE system IN ('THUNDERHEAD', 'REFERENCE_DATA') AND document_type = '*')) - now())::float AS due_in;

-- document_monitoring_due_in --
-- The same for document_monitoring, which also publishes what an earlier run could not.
SELECT extract(epoch FROM least(
    greatest(
        (SELECT min(greatest(next_poll_at, lease_until)) FROM (
            SELECT next_poll_at, lease_until FROM thunderhead_batches
            WHERE status = 'PROCESSING_THUNDERHEAD' ORDER BY next_poll_at LIMIT 1000) next),
        (SELECT max(CASE WHEN paused_at IS NULL THEN open_until ELSE 'infinity' END) FROM outside_systems
         WHERE system = 'THUNDERHEAD' AND document_type = '*')),
    (SELECT min(created_at) + interval '5 seconds' FROM final_events
     WHERE published_at IS NULL AND set_aside_at IS NULL)) - now())::float AS due_in;
