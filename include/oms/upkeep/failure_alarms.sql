-- note_failure --
-- Count a red task instance under each of its causes. `is_new`: the cause was not known before.
INSERT INTO failure_alarms AS f (cause, link)
SELECT cause, %(link)s FROM unnest(%(causes)s::text[]) AS c (cause) ORDER BY cause
ON CONFLICT (cause) DO UPDATE SET number = f.number + 1, last_at = now(), link = excluded.link
RETURNING cause, number = 1 AS is_new;

-- failures_to_tell --
-- The causes whose number of red task instances has doubled since the operators were told, and those that are over: no
-- task instance has turned red for `quiet_seconds`. A new cause is left out for 30 seconds, in which the task instance
-- sends the alert itself.
SELECT cause, number, told_number, link, utc_text(began_at) AS began_at, last_at <= over.at AS is_over
FROM failure_alarms, (SELECT now() - %(quiet_seconds)s * interval '1 second' AS at) over
WHERE last_at <= over.at
   OR (number >= 2 * told_number AND number > told_number AND began_at < now() - interval '30 seconds')
ORDER BY number DESC, cause LIMIT %(limit)s;

-- failures_are_to_tell --
-- Whether failures_to_tell would return any cause.
SELECT EXISTS (
    SELECT FROM failure_alarms
    WHERE last_at <= now() - %(quiet_seconds)s * interval '1 second'
       OR (number >= 2 * told_number AND number > told_number AND began_at < now() - interval '30 seconds')) AS to_tell;

-- mark_failures_told --
-- Store the number of red task instances that the operators were told, for each cause.
UPDATE failure_alarms f SET told_number = greatest(f.told_number, w.number)
FROM unnest(%(causes)s::text[], %(numbers)s::integer[]) AS w (cause, number) WHERE f.cause = w.cause;

-- forget_failures --
-- Delete causes that are over, after the operators were told. A cause with a newer red task instance stays.
DELETE FROM failure_alarms
WHERE cause = ANY (%(causes)s) AND last_at <= now() - %(quiet_seconds)s * interval '1 second';
