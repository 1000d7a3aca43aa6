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
-- The system answers: whoever it does not answer from now on may have himself to blame.
UPDATE outside_systems SET failures = 0, open_until = NULL, answered_at = now(), updated_at = now()
WHERE system = %(system)s AND document_type = '*';

-- lowest_rate --
-- The slowest of the rates that the dial sets for a system, or that it can bear.
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

-- slow_down --
-- It has asked for fewer calls, or is slow: nobody calls before it said, and all together call less than they did.
-- Slices that are asked in the same second count once.
UPDATE outside_systems
SET bearable_per_second = CASE WHEN limited_at > now() - interval '1 second' THEN bearable_per_second
        ELSE greatest(1, round(%(factor)s::numeric * least(bearable_per_second, greatest(1, %(calls_per_second)s::numeric * (
            SELECT greatest(count(*), 1) FROM slices
            WHERE job = 'document_processing' AND closed_at IS NULL AND lease_until > now()))), 2)) END,
    limited_at = now(), paced_at = now(),
    next_call_at = greatest(next_call_at, now() + %(retry_after_seconds)s * interval '1 second')
WHERE system = %(system)s AND document_type = '*';

-- speed_up --
-- It bears what it gets: a little more each second, by whichever slice comes first; without a limit in the end.
UPDATE outside_systems
SET bearable_per_second = CASE WHEN limited_at > now() - %(forget_seconds)s * interval '1 second'
        THEN bearable_per_second + greatest(1, bearable_per_second * %(growth)s) END,
    paced_at = now()
WHERE system = %(system)s AND document_type = '*' AND bearable_per_second IS NOT NULL
  AND paced_at < now() - interval '1 second';
