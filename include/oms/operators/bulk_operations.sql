-- create_operation --
-- Store an operation. No row: this origin has one already.
INSERT INTO bulk_operations (action, selection, subject, reason, actor, door, origin, per_second, counted, counted_at,
                             state, decided_by, decided_at)
VALUES (%(action)s, %(selection)s::jsonb, %(subject)s, %(reason)s, %(actor)s, %(door)s, %(origin)s, %(per_second)s,
        %(counted)s, %(counted_at)s, %(state)s, %(decided_by)s,
        CASE WHEN %(decided_by)s::text IS NOT NULL THEN now() END)
ON CONFLICT (origin) DO NOTHING
RETURNING operation_id;

-- operation_of_origin --
-- The operation that this DAG run or call has created.
SELECT operation_id FROM bulk_operations WHERE origin = %(origin)s;

-- bulk_operations --
-- A page of operations, newest first: what each does, to what, for whom, and how far it is.
SELECT operation_id, action, subject, reason, actor, door, per_second::float AS per_second, counted, state, decided_by,
       utc_text(decided_at) AS decided_at, changed_by, utc_text(created_at) AS created_at, utc_text(ended_at) AS ended_at,
       worked, done, coalesce(lease_until > now(), false) AS is_at_work
FROM bulk_operations
WHERE operation_id < %(before)s AND (%(operation_id)s::bigint IS NULL OR operation_id = %(operation_id)s::bigint)
ORDER BY operation_id DESC LIMIT %(limit)s;

-- answers_of_operation --
-- A page of an operation's answers, in the order of their keys.
SELECT request, answer FROM bulk_operation_answers
WHERE operation_id = %(operation_id)s AND request > %(after)s
ORDER BY request LIMIT %(limit)s;

-- counted_answers --
-- The number of an operation's requests by answer.
SELECT answer, count(*) AS number FROM bulk_operation_answers
WHERE operation_id = %(operation_id)s GROUP BY answer ORDER BY number DESC, answer;

-- decide_operation --
-- Approve or reject an operation that waits for it. The one who asked cannot. What is rejected keeps no metadata.
UPDATE bulk_operations
SET state = %(state)s, decided_by = %(actor)s, decided_at = now(),
    ended_at = CASE WHEN %(state)s::text = 'REJECTED' THEN now() END,
    selection = CASE WHEN %(state)s::text = 'REJECTED' THEN selection - '{metadata,error_text}'::text[] ELSE selection END
WHERE operation_id = %(operation_id)s AND state = 'WAITING' AND actor <> %(actor)s
RETURNING action, subject, counted;

-- change_operation --
-- Pause, resume or stop an operation. A piece under way ends first. No row: it is not in a state that allows this.
UPDATE bulk_operations
SET state = %(state)s, changed_by = %(actor)s, ended_at = CASE WHEN %(state)s::text = 'STOPPED' THEN now() END,
    selection = CASE WHEN %(state)s::text = 'STOPPED' THEN selection - '{metadata,error_text}'::text[] ELSE selection END
WHERE operation_id = %(operation_id)s AND state = ANY (%(from_states)s)
RETURNING action, subject, worked, counted;

-- operations_are_due --
-- Whether an operation may be worked that nobody works.
SELECT EXISTS (
    SELECT FROM bulk_operations
    WHERE ended_at IS NULL AND state = 'RUNNING' AND coalesce(lease_until < now(), true)) AS are_due;

-- lease_operation --
-- Lease the oldest operation that may be worked and that nobody works; or this one. Workers never wait on each other.
UPDATE bulk_operations
SET lease_token = nextval('lease_tokens'), lease_until = now() + %(lease_seconds)s * interval '1 second'
WHERE operation_id = (
    SELECT operation_id FROM bulk_operations
    WHERE ended_at IS NULL AND state = 'RUNNING' AND coalesce(lease_until < now(), true)
      AND (%(operation_id)s::bigint IS NULL OR operation_id = %(operation_id)s::bigint)
    ORDER BY operation_id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING operation_id, action, selection, reason, actor, door, per_second::float AS per_second, counted, lease_token;

-- hold_operation --
-- Renew the lease for the next piece, and lock the row until it is committed. No row: paused, stopped, or another's.
UPDATE bulk_operations SET lease_until = now() + %(lease_seconds)s * interval '1 second'
WHERE operation_id = %(operation_id)s AND lease_token = %(lease_token)s AND state = 'RUNNING'
RETURNING next_before, worked;

-- note_piece --
-- Store the answers of a piece, and how far the operation is.
WITH told AS (
    INSERT INTO bulk_operation_answers (operation_id, request, answer)
    SELECT %(operation_id)s, * FROM unnest(%(requests)s::text[], %(answers)s::text[])
    ON CONFLICT DO NOTHING
)
UPDATE bulk_operations
SET next_before = %(next_before)s, worked = worked + %(worked)s, done = done + %(done)s
WHERE operation_id = %(operation_id)s;

-- end_operation --
-- The operation is done. Metadata is not kept any longer than it is needed.
UPDATE bulk_operations SET state = 'DONE', ended_at = now(), lease_until = NULL, selection = selection - '{metadata,error_text}'::text[]
WHERE operation_id = %(operation_id)s AND lease_token = %(lease_token)s
RETURNING action, subject, actor, door, reason, counted, worked, done;

-- leave_operation --
-- Give the lease back: another worker may go on at once.
UPDATE bulk_operations SET lease_until = NULL WHERE operation_id = %(operation_id)s AND lease_token = %(lease_token)s;

-- answered_of --
-- Which of these have an answer already.
SELECT request FROM bulk_operation_answers WHERE operation_id = %(operation_id)s AND request = ANY (%(requests)s);

-- wake_bulk_operations --
-- Tell the watcher of the job bulk_operations.
SELECT pg_notify('oms_bulk', '');

-- lock_withdrawable --
-- Lock those of these requests that can be withdrawn: queued, and without an intent that may have reached Thunderhead.
SELECT r.request_id, r.stage FROM document_requests r
WHERE r.request_id = ANY (%(request_ids)s) AND r.status = 'QUEUED' AND NOT EXISTS (
    SELECT FROM thunderhead_batches b WHERE b.request_id = r.request_id
    AND (b.status = 'PROCESSING_THUNDERHEAD' OR b.status = 'PROCESSING_OMS' AND b.unsure_since IS NOT NULL))
ORDER BY r.request_id FOR UPDATE OF r;

-- publish_again --
-- Let the newest final event of each of these requests go out once more, with its id. Consumers tell it by that.
WITH newest AS (
    SELECT DISTINCT ON (e.request_id) e.event_seq, e.request_id, e.revision, e.published_at FROM final_events e
    WHERE e.request_id = ANY (%(request_ids)s) ORDER BY e.request_id, e.revision DESC
), again AS (
    UPDATE final_events e
    SET published_at = NULL, set_aside_at = NULL, set_aside_reason = NULL, failures = 0, next_try_at = NULL,
        lease_token = NULL, lease_until = NULL
    FROM newest n
    WHERE e.event_seq = n.event_seq AND (e.published_at IS NOT NULL OR e.set_aside_at IS NOT NULL)
    RETURNING e.request_id, e.revision, n.published_at
), told AS (
    INSERT INTO request_timeline (request_id, event, actor, detail)
    SELECT request_id, 'PUBLISHED_AGAIN', %(actor)s, jsonb_strip_nulls(jsonb_build_object(
        'revision', revision, 'published_at', utc_text(published_at), 'why', %(why)s::text)) FROM again
)
SELECT request_id FROM again ORDER BY request_id;
