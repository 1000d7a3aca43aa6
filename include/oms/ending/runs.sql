-- complete_runs --
-- Complete closed runs that have no open request: their event is in the outbox then. The id of the event follows from the
-- run's id; those of requests follow from ids above zero.
WITH ended AS (
    SELECT u.run_id FROM runs u
    WHERE u.completed_at IS NULL AND u.closed_at IS NOT NULL AND (%(run_id)s::bigint IS NULL OR u.run_id = %(run_id)s)
      AND NOT EXISTS (
          SELECT FROM document_requests r WHERE r.run_id = u.run_id AND r.status IN ('QUEUED', 'PROCESSING'))
    ORDER BY u.run_id LIMIT %(limit)s FOR UPDATE OF u SKIP LOCKED
), completed AS (
    UPDATE runs u SET completed_at = now() FROM ended e WHERE u.run_id = e.run_id RETURNING u.run_id, u.completed_at
)
INSERT INTO final_events (run_id, revision, event_id, topic, event)
SELECT run_id, 1, event_uuid(-run_id, 1), %(topic)s, json_build_object(
    'specversion', '1.0',
    'id', event_uuid(-run_id, 1),
    'source', '/oms/document-monitoring',
    'type', 'oms.run.completed.v1',
    'subject', run_id::text,
    'time', utc_text(c.completed_at),
    'datacontenttype', 'application/json',
    'data', json_build_object(
        'run_id', run_id,
        'name', p.name,
        'source_system', p.source_system,
        'expected', p.expected,
        'received', p.received,
        'completed', p.completed,
        'failed', p.failed,
        'stopped', p.stopped,
        'withdrawn', p.withdrawn,
        'opened_at', utc_text(p.opened_at),
        'closed_at', utc_text(p.closed_at)))
FROM completed c JOIN run_progress p USING (run_id);
