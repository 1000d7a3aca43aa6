-- note_failure --
-- A task instance turned red for these causes; those that were not known before.
INSERT INTO failure_alarms AS f (cause, link)
SELECT cause, %(link)s FROM unnest(%(causes)s::text[]) AS c (cause) ORDER BY cause
ON CONFLICT (cause) DO UPDATE SET number = f.number + 1, last_at = now(), link = excluded.link
RETURNING cause, number = 1 AS is_new;

-- failures_to_tell --
-- Causes of which the operators know less than half of the red task instances; and those that are over, because none
-- has turned red for so long. A cause that is new has a moment to be told by the task instance itself.
SELECT cause, number, told_number, link, utc_text(began_at) AS began_at, last_at <= over.at AS is_over
FROM failure_alarms, (SELECT now() - %(quiet_seconds)s * interval '1 second' AS at) over
WHERE last_at <= over.at
   OR (number >= 2 * told_number AND number > told_number AND began_at < now() - interval '30 seconds')
ORDER BY number DESC, cause LIMIT %(limit)s;

-- failures_are_to_tell --
-- Whether there are any.
SELECT EXISTS (
    SELECT FROM failure_alarms
    WHERE last_at <= now() - %(quiet_seconds)s * interval '1 second'
       OR (number >= 2 * told_number AND number > told_number AND began_at < now() - interval '30 seconds')) AS to_tell;

-- mark_failures_told --
-- The operators know of so many now.
UPDATE failure_alarms f SET told_number = greatest(f.told_number, w.number)
FROM unnest(%(causes)s::text[], %(numbers)s::integer[]) AS w (cause, number) WHERE f.cause = w.cause;

-- forget_failures --
-- These are over, and the operators know; unless there has been another one meanwhile.
DELETE FROM failure_alarms
WHERE cause = ANY (%(causes)s) AND last_at <= now() - %(quiet_seconds)s * interval '1 second';
