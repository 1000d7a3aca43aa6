-- note_documents_to_archive --
-- Note the completed documents of a period that the archive does not know yet.
INSERT INTO archived_documents (request_id, ended_at)
SELECT request_id, ended_at FROM document_requests r
WHERE status = 'COMPLETED' AND ended_at >= %(begins_at)s AND ended_at < %(ends_at)s
  AND NOT EXISTS (SELECT FROM archived_documents a WHERE a.request_id = r.request_id)
ORDER BY ended_at LIMIT %(limit)s
ON CONFLICT DO NOTHING;

-- claim_documents_to_archive --
-- Cut the documents that are not archived yet into slices, each under a lease. Claimers never wait on each other.
WITH due AS (
    SELECT request_id, (row_number() OVER (ORDER BY request_id) - 1) / %(slice_size)s AS ordinal
    FROM (SELECT request_id FROM archived_documents
          WHERE archived_at IS NULL AND given_up_why IS NULL AND (lease_until IS NULL OR lease_until <= now())
          ORDER BY request_id LIMIT %(limit)s
          FOR UPDATE SKIP LOCKED) open
), cut AS (
    INSERT INTO slices (job, dag_run_id, ordinal, size, label)
    SELECT 'document_archive', %(dag_run_id)s, ordinal, count(*),
           format('%%s documents, %%s to %%s', count(*), min(request_id), max(request_id))
    FROM due GROUP BY ordinal
    RETURNING slice_id, ordinal, label, lease_token
), claimed AS (
    UPDATE archived_documents a
    SET slice_id = cut.slice_id, lease_token = cut.lease_token,
        lease_until = now() + %(lease_seconds)s * interval '1 second'
    FROM due JOIN cut USING (ordinal) WHERE a.request_id = due.request_id
)
SELECT slice_id, ordinal, label FROM cut ORDER BY ordinal;

-- hold_documents --
-- Lease the documents of a slice that are not archived to this worker: after a claim, a crash or a clear.
UPDATE archived_documents a
SET lease_token = %(lease_token)s, lease_until = now() + %(lease_seconds)s * interval '1 second', given_up_why = NULL
FROM document_requests r
JOIN thunderhead_batches b USING (request_id)
WHERE a.slice_id = %(slice_id)s AND a.archived_at IS NULL
  AND r.request_id = a.request_id AND b.status = 'COMPLETED'
RETURNING a.request_id, a.ended_at, r.document_type, b.dms_document_id;

-- renew_archive_leases --
-- Renew the leases of a worker on its open documents. No row means: another worker has taken over the slice.
UPDATE archived_documents SET lease_until = now() + %(lease_seconds)s * interval '1 second'
WHERE slice_id = %(slice_id)s AND lease_token = %(lease_token)s AND archived_at IS NULL
RETURNING request_id;

-- record_archived --
-- Store the results of some documents. Documents that this worker no longer holds are not changed.
UPDATE archived_documents a
SET archived_at = CASE WHEN w.file IS NOT NULL THEN now() END, file = w.file, given_up_why = w.given_up_why,
    lease_token = NULL, lease_until = NULL
FROM unnest(%(request_ids)s::bigint[], %(files)s::text[], %(given_up)s::text[]) AS w (request_id, file, given_up_why)
WHERE a.request_id = w.request_id AND a.lease_token = %(lease_token)s;

-- given_up_documents --
-- The documents of a slice that need a person, with the reason.
SELECT request_id, given_up_why FROM archived_documents
WHERE slice_id = %(slice_id)s AND archived_at IS NULL AND given_up_why IS NOT NULL ORDER BY request_id;
