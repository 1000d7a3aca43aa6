-- add_outside_systems --
-- Give each of these systems a row, where it has none.
INSERT INTO outside_systems (system) SELECT unnest(%(systems)s::text[]) ON CONFLICT DO NOTHING;

-- breaker_state --
-- Whether an outside system may be called now, and whether nobody knows yet that an outage is over.
SELECT paused_at IS NOT NULL AS paused, paused_by, paused_why, open_until IS NOT NULL AS on_probation,
       coalesce(open_until > now(), false) AS open,
       coalesce(extract(epoch FROM open_until - now()), 0)::float AS open_for_seconds, last_error,
       least(most_per_second, bearable_per_second)::float AS per_second
FROM outside_systems WHERE system = %(system)s AND document_type = '*';

-- lock_outside_system --
-- What all callers of an outside system share, locked until it is saved. Times in seconds since the epoch.
SELECT paused_at IS NOT NULL AS paused, paused_by, paused_why, failures, last_error, recent_answered, recent_failed,
       extract(epoch FROM open_until)::float AS open_until, extract(epoch FROM answered_at)::float AS answered_at,
       most_per_second::float AS most_per_second, bearable_per_second::float AS bearable_per_second, growth,
       extract(epoch FROM limited_at)::float AS limited_at, extract(epoch FROM paced_at)::float AS paced_at,
       extract(epoch FROM window_began_at)::float AS window_began_at, answered_in_window, answered_per_second,
       answered_before, extract(epoch FROM clock_timestamp())::float AS now,
       (SELECT coalesce(jsonb_object_agg(t.document_type, t.paused_at IS NOT NULL), '{}') FROM outside_systems t
        WHERE t.system = o.system AND t.document_type <> '*'
          AND (t.paused_at IS NOT NULL OR t.most_per_second IS NOT NULL)) AS document_types,
       ARRAY(SELECT source_system FROM source_system_limits
             WHERE o.system = 'THUNDERHEAD' AND most_per_second IS NOT NULL) AS source_systems
FROM outside_systems o WHERE system = %(system)s AND document_type = '*' FOR UPDATE;

-- save_outside_system --
-- Add one caller's results to the shared state. Notify the watchers if an outage is over.
WITH saved AS (
    UPDATE outside_systems o
    SET failures = %(failures)s, last_error = %(last_error)s, updated_at = now(),
        open_until = to_timestamp(%(open_until)s), recent_answered = %(recent_answered)s, recent_failed = %(recent_failed)s,
        answered_at = coalesce(to_timestamp(%(answered_at)s), o.answered_at),
        submit_answered_at = coalesce(to_timestamp(%(submit_answered_at)s), o.submit_answered_at),
        bearable_per_second = round(%(bearable_per_second)s::numeric, 2), growth = %(growth)s,
        limited_at = to_timestamp(%(limited_at)s), paced_at = to_timestamp(%(paced_at)s),
        window_began_at = to_timestamp(%(window_began_at)s), answered_in_window = %(answered_in_window)s,
        answered_per_second = %(answered_per_second)s, answered_before = %(answered_before)s
    WHERE system = %(system)s AND document_type = '*'
)
SELECT pg_notify('oms_work', job) FROM watchers WHERE waiting AND %(is_over)s;

-- take_places --
-- Take the next places in the lines of an outside system's calls, its own, its document type's and its source system's, as
-- far as they lie within a moment. So no place has to be given back when the limits change or a caller dies.
WITH of_system AS (
    SELECT document_type, least(most_per_second, bearable_per_second)::float AS rate, next_call_at FROM outside_systems
    WHERE system = %(system)s AND document_type IN ('*', %(document_type)s)
      AND least(most_per_second, bearable_per_second) IS NOT NULL
    ORDER BY document_type FOR UPDATE
), of_client AS (
    SELECT source_system, most_per_second::float AS rate, next_call_at FROM source_system_limits
    WHERE %(system)s = 'THUNDERHEAD' AND source_system = %(source_system)s AND most_per_second IS NOT NULL FOR UPDATE
), lines AS (
    SELECT document_type, source_system, 1 / rate AS gap,
           -- never farther ahead than the present rate allows, because the limits may have changed
           least(extract(epoch FROM greatest(next_call_at - now(), %(catch_up_seconds)s * interval '-1 second'))::float,
                 %(ahead_seconds)s + 1 / rate) AS starts_in
    FROM (SELECT document_type, NULL AS source_system, rate, next_call_at FROM of_system
          UNION ALL SELECT NULL, source_system, rate, next_call_at FROM of_client) one
), granted AS (
    SELECT min(CASE WHEN coalesce(starts_in, 0) > %(ahead_seconds)s THEN 0
                    ELSE least(%(wanted)s, 1 + floor((%(ahead_seconds)s - coalesce(starts_in, 0)) / gap)) END)::integer AS number,
           max(coalesce(starts_in, 0)) AS first_in, max(gap) AS gap
    FROM lines
), taken AS (
    UPDATE outside_systems o
    SET next_call_at = now() + (coalesce(l.starts_in, 0) + g.number * l.gap) * interval '1 second'
    FROM lines l, granted g
    WHERE o.system = %(system)s AND o.document_type = l.document_type AND g.number > 0
), taken_by_client AS (
    UPDATE source_system_limits c
    SET next_call_at = now() + (coalesce(l.starts_in, 0) + g.number * l.gap) * interval '1 second'
    FROM lines l, granted g
    WHERE c.source_system = l.source_system AND g.number > 0
)
SELECT number, first_in, gap FROM granted WHERE gap IS NOT NULL;
