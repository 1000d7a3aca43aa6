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
-- The slowest of the rates that the dial sets for a system.
SELECT min(most_per_second) AS rate FROM outside_systems WHERE system = %(system)s;

-- take_places --
-- Take the next places in the lines of a system's calls: seconds until the first one, and between two.
UPDATE outside_systems o
SET next_call_at = greatest(o.next_call_at, now()) + w.n / o.most_per_second * interval '1 second'
FROM unnest(%(document_types)s::text[], %(numbers)s::integer[]) AS w (document_type, n)
WHERE o.system = %(system)s AND o.document_type = w.document_type AND o.most_per_second IS NOT NULL
RETURNING o.document_type, 1 / o.most_per_second AS gap,
    extract(epoch FROM o.next_call_at - now()) - w.n / o.most_per_second AS first_in;
