-- breaker_state --
-- Whether an outside system may be called now, and whether it is on probation after an outage.
SELECT paused_at IS NOT NULL AS paused, paused_by, paused_why, failures,
       coalesce(open_until > now(), false) AS open,
       coalesce(extract(epoch FROM open_until - now()), 0)::float AS open_for_seconds
FROM outside_systems WHERE system = %(system)s AND document_type = '*';

-- open_breaker --
-- An outage was met: nobody calls for a while, longer each time in a row, or for as long as the system asked. Slices
-- that meet the same outage together count once.
UPDATE outside_systems
SET failures = failures + (open_until IS NULL OR open_until <= now())::integer, last_error = %(error)s, updated_at = now(),
    open_until = greatest(open_until, now() + greatest(
        %(retry_after_seconds)s, CASE WHEN open_until > now() THEN 0
             ELSE least(%(maximum_seconds)s, %(base_seconds)s * 2 ^ least(failures, 20)) END)
        * interval '1 second')
WHERE system = %(system)s AND document_type = '*'
RETURNING extract(epoch FROM open_until - now())::float AS open_for_seconds;

-- close_breaker --
-- Close the breaker: the system answered. From here on, a failure counts against the request that met it.
UPDATE outside_systems SET failures = 0, open_until = NULL, answered_at = now(), updated_at = now()
WHERE system = %(system)s AND document_type = '*';

-- lowest_rate --
-- The lowest of the rate limits and found rates of a system and its document types.
SELECT min(least(most_per_second, bearable_per_second)) AS rate FROM outside_systems WHERE system = %(system)s;

-- take_places --
-- Take the next places in the lines of a system's calls: seconds until the first one, and between two.
UPDATE outside_systems o
SET next_call_at = greatest(o.next_call_at, now()) + w.n / least(o.most_per_second, o.bearable_per_second) * interval '1 second'
FROM unnest(%(document_types)s::text[], %(numbers)s::integer[]) AS w (document_type, n)
WHERE o.system = %(system)s AND o.document_type = w.document_type
  AND least(o.most_per_second, o.bearable_per_second) IS NOT NULL
RETURNING o.document_type, 1 / least(o.most_per_second, o.bearable_per_second) AS gap,
    extract(epoch FROM o.next_call_at - now()) - w.n / least(o.most_per_second, o.bearable_per_second) AS first_in;

-- call_later --
-- It has asked for a pause.
UPDATE outside_systems
SET next_call_at = greatest(next_call_at, now() + %(retry_after_seconds)s * interval '1 second')
WHERE system = %(system)s AND document_type = '*';

-- slow_down --
-- It has asked for fewer calls, or is slow. Slices that are asked in the same second count once.
UPDATE outside_systems
SET bearable_before = bearable_per_second, borne_per_second = 0, limited_at = now()
WHERE system = %(system)s AND document_type = '*' AND (limited_at > now() - interval '1 second') IS NOT TRUE;

-- add_calls_borne --
-- All together call less than they got through, as they add it up in that second, and less than they were allowed to.
UPDATE outside_systems
SET borne_per_second = borne_per_second + %(calls)s::integer, paced_at = now(),
    bearable_per_second = CASE WHEN coalesce(bearable_before, borne_per_second + %(calls)s::integer) IS NOT NULL
        THEN round(greatest(1, %(factor)s::numeric * least(bearable_before, borne_per_second + %(calls)s::integer)), 2) END
WHERE system = %(system)s AND document_type = '*' AND limited_at > now() - interval '1 second'
RETURNING bearable_per_second;

-- speed_up --
-- It bears what it gets: a little more each second, by whichever slice comes first; without a limit in the end.
UPDATE outside_systems
SET bearable_per_second = CASE WHEN limited_at > now() - %(forget_seconds)s * interval '1 second'
        THEN bearable_per_second + greatest(1, bearable_per_second * %(growth)s) END,
    paced_at = now()
WHERE system = %(system)s AND document_type = '*' AND bearable_per_second IS NOT NULL
  AND paced_at < now() - interval '1 second';

-- part_of_rate --
-- What one slice may call a second of the rate that was found; null where there is none.
SELECT (bearable_per_second / (
    SELECT greatest(count(*), 1) FROM slices
    WHERE job = 'document_processing' AND closed_at IS NULL AND lease_until > now()))::float AS per_second
FROM outside_systems WHERE system = %(system)s AND document_type = '*';
