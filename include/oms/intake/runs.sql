-- open_run --
-- Open a run. No row: its source system has used the name before.
INSERT INTO runs (source_system, name, content_hash, expected, proofs, deadline, opened_by)
VALUES (%(source_system)s, %(name)s, %(content_hash)s, %(expected)s, %(proofs)s,
        coalesce(%(deadline)s::timestamptz, now() + %(default_seconds)s * interval '1 second'), %(actor)s)
ON CONFLICT (source_system, name) DO NOTHING
RETURNING run_id;

-- hold_run --
-- Hold a run. With proofs, nothing is held until so many requests have joined it: see end_proofs. The source system is
-- named for code that does not know runs yet: it then holds more, not less.
INSERT INTO request_holds (source_system, run_id, above_request_id, reason, held_by)
VALUES (%(source_system)s, %(run_id)s, CASE WHEN %(proofs)s > 0 THEN 9223372036854775807 END,
        'the run ' || %(name)s::text || ' waits until somebody else releases it', %(actor)s);

-- run_of_name --
-- The run that has this name, with the hash that tells a replay from a conflict.
SELECT run_id, content_hash FROM runs WHERE source_system = %(source_system)s AND name = %(name)s;

-- show_runs --
-- Runs for their client, newest first, with their requests counted now.
SELECT u.run_id, json_build_object(
    'run_id', u.run_id,
    'name', u.name,
    'source_system', u.source_system,
    'state', u.state,
    'expected', u.expected,
    'received', u.received,
    'missing', u.missing,
    'surplus', u.surplus,
    'statuses', json_build_object('QUEUED', u.queued, 'PROCESSING', u.processing, 'STOPPED', u.stopped,
                                  'FAILED', u.failed, 'COMPLETED', u.completed),
    'red', u.red,
    'withdrawn', u.withdrawn,
    'oldest_open_at', utc_text(u.oldest_open_at),
    'hold', u.hold_id IS NOT NULL,
    'proofs', u.proofs,
    'deadline', utc_text(u.deadline),
    'late', u.late,
    'opened_by', u.opened_by,
    'opened_at', utc_text(u.opened_at),
    'released_by', u.released_by,
    'released_at', utc_text(u.released_at),
    'closed_by', u.closed_by,
    'closed_at', utc_text(u.closed_at),
    'completed_at', utc_text(u.completed_at)) AS run
FROM run_progress u
WHERE u.source_system = %(source_system)s AND u.run_id < %(before)s
  AND (%(run_id)s::bigint IS NULL OR u.run_id = %(run_id)s) AND (%(name)s::text IS NULL OR u.name = %(name)s)
ORDER BY u.run_id DESC LIMIT %(limit)s;

-- lock_runs --
-- Of these runs, those that are open: they stay so until the transaction ends. `takes_proofs`: see lock_proofs.
SELECT u.run_id, EXISTS (
    SELECT FROM request_holds h WHERE h.run_id = u.run_id AND h.above_request_id = 9223372036854775807
    AND h.released_at IS NULL) AS takes_proofs
FROM runs u
WHERE u.run_id = ANY (%(run_ids)s) AND u.source_system = %(source_system)s AND u.closed_at IS NULL
ORDER BY u.run_id FOR SHARE OF u;

-- lock_proofs --
-- Lock the holds of runs that have not received all their proofs: calls that bring them wait for each other, so that the
-- first requests have the lowest ids. Nobody waits once the proofs are there.
SELECT hold_id FROM request_holds
WHERE run_id = ANY (%(run_ids)s) AND above_request_id = 9223372036854775807 AND released_at IS NULL
ORDER BY hold_id FOR UPDATE;

-- end_proofs --
-- Hold what comes after the last proof, where the last proof has come.
UPDATE request_holds h SET above_request_id = proof.request_id
FROM runs u CROSS JOIN LATERAL (
    SELECT r.request_id FROM document_requests r WHERE r.run_id = u.run_id
    ORDER BY r.request_id OFFSET u.proofs - 1 LIMIT 1) proof
WHERE h.hold_id = ANY (%(hold_ids)s) AND u.run_id = h.run_id;

-- lock_run --
-- Lock a run until the transaction ends.
SELECT u.run_id, u.name, u.expected, u.opened_by, u.closed_at IS NOT NULL AS is_closed FROM runs u
WHERE u.run_id = %(run_id)s AND u.source_system = %(source_system)s FOR UPDATE;

-- received_by_run --
-- The number of requests that have joined a run, up to a million and one.
SELECT count(*)::integer AS received
FROM (SELECT FROM document_requests WHERE run_id = %(run_id)s LIMIT 1000001) r;

-- close_run --
-- Close a run: no request joins it any more.
UPDATE runs SET closed_at = now(), closed_by = %(actor)s, expected = %(expected)s
WHERE run_id = %(run_id)s AND closed_at IS NULL
RETURNING run_id;

-- release_run --
-- Release the hold of a run, so that its requests may be claimed. No row: it has no hold, or is released already.
WITH released AS (
    UPDATE request_holds SET released_at = now(), released_by = %(actor)s
    WHERE run_id = %(run_id)s AND released_at IS NULL
    RETURNING hold_id
), woken AS (
    SELECT count(pg_notify('oms_work', job)) FROM watchers WHERE waiting
)
SELECT hold_id FROM released CROSS JOIN woken;
