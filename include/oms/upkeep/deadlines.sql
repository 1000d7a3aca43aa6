-- late_work --
-- The late work by state: the number, the oldest one, its age in seconds.
-- A request or a poll that waits for a paused or unavailable system, or is held, is not late. The pause and the outage have deadlines
-- of their own. A system counts as out until two minutes after its breaker's end, to cover the calls that try it again.
-- After that its state is unknown, because no call was made.
WITH unavailable AS (
    SELECT system FROM outside_systems
    WHERE document_type = '*' AND (paused_at IS NOT NULL OR open_until > now() - interval '2 minutes')
), due_requests AS (  -- including those whose worker died and that no run took over
    SELECT request_id, due_at AS since FROM document_requests
    WHERE status = 'QUEUED' AND due_at < now() - %(queued)s * interval '1 second'
      AND NOT EXISTS (SELECT FROM stop_of(source_system, document_type, document_name, run_id, request_id))
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
  -- a pause, or an outage, is not Thunderhead's delay: the time in which it was asked counts
  AND asked_seconds + least(extract(epoch FROM now() - coalesce(asked_at, submitted_at)), 300) > %(at_thunderhead)s
UNION ALL  -- no job will continue these
SELECT 'IN_NOBODYS_HANDS', count(*), min(r.request_id)::text, extract(epoch FROM now() - min(r.created_at))::float
FROM document_requests r
WHERE r.status = 'PROCESSING' AND r.lease_until IS NULL AND NOT EXISTS (
    SELECT FROM thunderhead_batches b WHERE b.request_id = r.request_id AND b.status = 'PROCESSING_THUNDERHEAD')
UNION ALL  -- also while Kafka is paused, because clients are told nothing
SELECT 'EVENT_WAITING', count(*), (array_agg(coalesce(request_id::text, 'run ' || run_id) ORDER BY event_seq))[1],
       extract(epoch FROM now() - min(created_at))::float
FROM final_events
WHERE published_at IS NULL AND set_aside_at IS NULL AND created_at < now() - %(event_waiting)s * interval '1 second'
UNION ALL  -- for one day: after that the daily reconciliation lists them
SELECT 'EVENT_SET_ASIDE', count(*), (array_agg(coalesce(request_id::text, 'run ' || run_id) ORDER BY set_aside_at))[1],
       extract(epoch FROM now() - min(set_aside_at))::float
FROM final_events
WHERE set_aside_at < now() - %(event_set_aside)s * interval '1 second' AND set_aside_at > now() - interval '1 day'
  AND set_aside_reason <> 'a later end of its request has been published'
UNION ALL
SELECT 'DUTY_MISSED', count(*), (array_agg(duty ORDER BY done_at))[1], extract(epoch FROM now() - min(done_at))::float
FROM daily_duties WHERE done_at < now() - %(duty_missed)s * interval '1 second'
UNION ALL
SELECT 'PAUSED', count(*), (array_agg(what ORDER BY since))[1], extract(epoch FROM now() - min(since))::float
FROM (
    SELECT system || ' ' || document_type AS what, paused_at AS since FROM outside_systems
    WHERE coalesce(paused_until, '-infinity') < now()
    UNION ALL
    SELECT 'hold ' || hold_id, held_at FROM request_holds
    WHERE released_at IS NULL AND coalesce(until, '-infinity') < now() AND run_id IS NULL) paused
WHERE since < now() - %(paused)s * interval '1 second'
UNION ALL  -- also while it waits for its release
SELECT 'RUN_OPEN', count(*), (array_agg('run ' || run_id ORDER BY deadline))[1],
       extract(epoch FROM now() - min(deadline))::float
FROM runs WHERE completed_at IS NULL AND deadline < now() - %(run_open)s * interval '1 second'
UNION ALL  -- without an age: every try of the breaker sets open_until again, so the checks in a row are counted instead
SELECT 'OUT', count(*), min(system || ' ' || document_type), NULL
FROM outside_systems WHERE failures > 0 AND open_until > now() - interval '2 minutes';

-- alarms_stand --
-- Whether anything was late at the last check, or the operators have not been told yet that it is well again.
SELECT EXISTS (SELECT FROM age_alarms WHERE late OR told_late OR looks > 0) AS alarms_stand;

-- note_check --
-- Store the results of a check. `to_tell`: the result has differed from what was told in enough checks in a row.
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
-- Note that the operators have been told the state of these alarms.
UPDATE age_alarms SET told_late = late, looks = 0 WHERE state = ANY (%(states)s);
