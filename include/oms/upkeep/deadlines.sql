-- late_work --
-- What has been in an open state for longer than it may, by state: how many, the oldest one, its age in seconds.
-- A request or a poll that waits for a system that is paused or out is not late: the pause and the outage are, in their
-- own time. A system is out until two minutes after its breaker's end: they bridge the moments in which it is tried.
-- After that nobody knows, for nobody has called.
WITH unavailable AS (
    SELECT system FROM outside_systems
    WHERE document_type = '*' AND (paused_at IS NOT NULL OR open_until > now() - interval '2 minutes')
), due_requests AS (  -- and those whose worker died, and that no run took over
    SELECT request_id, due_at AS since FROM document_requests
    WHERE status = 'QUEUED' AND due_at < now() - %(queued)s * interval '1 second'
    UNION ALL
    SELECT request_id, lease_until FROM document_requests
    WHERE lease_until < now() - %(queued)s * interval '1 second'
)
SELECT 'QUEUED' AS state, count(*) AS number, (array_agg(request_id ORDER BY since))[1]::text AS oldest,
       extract(epoch FROM now() - min(since))::float AS seconds
FROM due_requests WHERE NOT EXISTS (SELECT FROM unavailable WHERE system IN ('THUNDERHEAD', 'REFERENCE_DATA'))
UNION ALL
SELECT 'HELD', count(*), (array_agg(r.request_id ORDER BY s.since))[1]::text,
       extract(epoch FROM now() - min(s.since))::float
FROM document_requests r
JOIN (SELECT slice_id, coalesce(opened_at, claimed_at) AS since FROM slices) s USING (slice_id)
WHERE r.lease_until > now() AND s.since < now() - %(held)s * interval '1 second'
UNION ALL
SELECT 'POLL_DUE', count(*), (array_agg(request_id ORDER BY next_poll_at))[1]::text,
       extract(epoch FROM now() - min(next_poll_at))::float
FROM thunderhead_batches
WHERE status = 'PROCESSING_THUNDERHEAD' AND next_poll_at < now() - %(poll_due)s * interval '1 second'
  AND NOT EXISTS (SELECT FROM unavailable WHERE system = 'THUNDERHEAD')
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
UNION ALL  -- whether or not Kafka is paused: clients hear of nothing
SELECT 'EVENT_WAITING', count(*), (array_agg(request_id ORDER BY event_seq))[1]::text,
       extract(epoch FROM now() - min(created_at))::float
FROM final_events
WHERE published_at IS NULL AND set_aside_at IS NULL AND created_at < now() - %(event_waiting)s * interval '1 second'
UNION ALL  -- for a day: after that the daily reconciliation has listed them
SELECT 'EVENT_SET_ASIDE', count(*), (array_agg(request_id ORDER BY set_aside_at))[1]::text,
       extract(epoch FROM now() - min(set_aside_at))::float
FROM final_events
WHERE set_aside_at < now() - %(event_set_aside)s * interval '1 second' AND set_aside_at > now() - interval '1 day'
  AND set_aside_reason <> 'a later end of its request has been published'
UNION ALL
SELECT 'DUTY_MISSED', count(*), (array_agg(duty ORDER BY done_at))[1], extract(epoch FROM now() - min(done_at))::float
FROM daily_duties WHERE done_at < now() - %(duty_missed)s * interval '1 second'
UNION ALL
SELECT 'PAUSED', count(*), (array_agg(system || ' ' || document_type ORDER BY paused_at))[1],
       extract(epoch FROM now() - min(paused_at))::float
FROM outside_systems WHERE paused_at < now() - %(paused)s * interval '1 second'
UNION ALL  -- since when is told by the checks in a row: every new try of the breaker starts its clock anew
SELECT 'OUT', count(*), min(system || ' ' || document_type), NULL
FROM outside_systems WHERE failures > 0 AND open_until > now() - interval '2 minutes';

-- alarms_stand --
-- Whether anything was late at the last check, or counts as late with those who were told.
SELECT EXISTS (SELECT FROM age_alarms WHERE late OR told_late OR looks > 0) AS alarms_stand;

-- note_check --
-- Keep what a check found; the states for which this differs from what was told often enough in a row.
WITH checked AS (
    INSERT INTO age_alarms AS a (state, late, looks)
    SELECT l.state, l.late, l.late::integer FROM unnest(%(states)s::text[], %(lates)s::boolean[]) AS l (state, late)
    ON CONFLICT (state) DO UPDATE
    SET late = excluded.late, looks = CASE WHEN excluded.late = a.told_late THEN 0 ELSE a.looks + 1 END
    RETURNING a.state, a.late, a.looks, a.told_late
)
SELECT l.state, l.late, l.told_late, l.looks >= n.needed AS to_tell
FROM checked l JOIN unnest(%(states)s::text[], %(needed)s::integer[]) AS n (state, needed) USING (state)
ORDER BY l.state;

-- mark_told --
-- The operators know now.
UPDATE age_alarms SET told_late = late, looks = 0 WHERE state = ANY (%(states)s);
