-- late_work --
-- What has been in an open state for longer than it may, by state: how many, the oldest one, its age in seconds.
-- What waits for a system that is paused or out is not late: the pause and the outage are, in their own time.
WITH not_to_be_had AS (
    SELECT system FROM outside_systems
    WHERE document_type = '*' AND (paused_at IS NOT NULL OR open_until IS NOT NULL)
)
SELECT 'QUEUED' AS state, count(*) AS number, (array_agg(request_id ORDER BY due_at))[1]::text AS oldest,
       extract(epoch FROM now() - min(due_at))::float AS seconds
FROM document_requests
WHERE status = 'QUEUED' AND due_at < now() - %(queued)s * interval '1 second'
  AND NOT EXISTS (SELECT FROM not_to_be_had WHERE system IN ('THUNDERHEAD', 'REFERENCE_DATA'))
UNION ALL
SELECT 'HELD', count(*), (array_agg(r.request_id ORDER BY s.since))[1]::text,
       extract(epoch FROM now() - min(s.since))::float
FROM document_requests r
JOIN (SELECT slice_id, coalesce(opened_at, claimed_at) AS since FROM slices) s USING (slice_id)
WHERE r.lease_until IS NOT NULL AND s.since < now() - %(held)s * interval '1 second'
UNION ALL
SELECT 'POLL_DUE', count(*), (array_agg(request_id ORDER BY next_poll_at))[1]::text,
       extract(epoch FROM now() - min(next_poll_at))::float
FROM thunderhead_batches
WHERE status = 'PROCESSING_THUNDERHEAD' AND next_poll_at < now() - %(poll_due)s * interval '1 second'
  AND NOT EXISTS (SELECT FROM not_to_be_had WHERE system = 'THUNDERHEAD')
UNION ALL
SELECT 'AT_THUNDERHEAD', count(*), (array_agg(request_id ORDER BY submitted_at))[1]::text,
       extract(epoch FROM now() - min(submitted_at))::float
FROM thunderhead_batches
WHERE status = 'PROCESSING_THUNDERHEAD' AND submitted_at < now() - %(at_thunderhead)s * interval '1 second'
UNION ALL  -- there is nobody who would move these on
SELECT 'IN_NOBODYS_HANDS', count(*), min(r.request_id)::text, extract(epoch FROM now() - min(r.created_at))::float
FROM document_requests r
WHERE r.status = 'PROCESSING' AND r.lease_until IS NULL AND NOT EXISTS (
    SELECT FROM thunderhead_batches b WHERE b.request_id = r.request_id AND b.status = 'PROCESSING_THUNDERHEAD')
UNION ALL
SELECT 'EVENT_WAITING', count(*), (array_agg(request_id ORDER BY event_seq))[1]::text,
       extract(epoch FROM now() - min(created_at))::float
FROM final_events
WHERE published_at IS NULL AND set_aside_at IS NULL AND created_at < now() - %(event_waiting)s * interval '1 second'
  AND NOT EXISTS (SELECT FROM not_to_be_had WHERE system = 'KAFKA')
UNION ALL
SELECT 'PAUSED', count(*), (array_agg(system || ' ' || document_type ORDER BY paused_at))[1],
       extract(epoch FROM now() - min(paused_at))::float
FROM outside_systems WHERE paused_at < now() - %(paused)s * interval '1 second'
UNION ALL  -- since when is told by the looks in a row: every new try of the breaker starts its clock anew
SELECT 'OUT', count(*), min(system || ' ' || document_type), NULL
FROM outside_systems WHERE failures > 0 AND open_until IS NOT NULL;

-- alarms_stand --
-- Whether anything was late at the last look, or counts as late with those who were told.
SELECT EXISTS (SELECT FROM age_alarms WHERE late OR told_late OR looks > 0) AS alarms_stand;

-- note_looks --
-- Keep what a look found; the states for which this differs from what was told often enough in a row.
WITH looked AS (
    INSERT INTO age_alarms AS a (state, late, looks)
    SELECT l.state, l.late, l.late::integer FROM unnest(%(states)s::text[], %(lates)s::boolean[]) AS l (state, late)
    ON CONFLICT (state) DO UPDATE
    SET late = excluded.late, looks = CASE WHEN excluded.late = a.told_late THEN 0 ELSE a.looks + 1 END
    RETURNING a.state, a.late, a.looks, a.told_late
)
SELECT l.state, l.late, l.told_late, l.looks >= n.needed AS to_tell
FROM looked l JOIN unnest(%(states)s::text[], %(needed)s::integer[]) AS n (state, needed) USING (state)
ORDER BY l.state;

-- mark_told --
-- The operators know now.
UPDATE age_alarms SET told_late = late, looks = 0 WHERE state = ANY (%(states)s);
