-- insert_batch --
-- A batch is made; its id is the answer. In one statement, so that no answer is ever given for a batch that is not.
INSERT INTO batches
    (batch_name, batch_config_id, created_at, ends_at, end_status, category, description, rendering, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- select_batches_by_ids --
-- Batches by id; unknown ids are left out. The ids come as a JSON list.
SELECT batch_id, batch_name, created_at, ends_at, end_status, category, description, rendering
FROM batches WHERE batch_id IN (SELECT value FROM json_each(?)) ORDER BY batch_id;

-- select_batches_by_name --
-- Batches of exactly this name, newest first.
SELECT batch_id, batch_name, created_at, ends_at, end_status, category, description, rendering
FROM batches WHERE batch_name = ? ORDER BY batch_id DESC LIMIT ?;

-- select_batches_after --
-- A page of the whole ledger.
SELECT batch_id, batch_name, created_at, ends_at, end_status, category, description, rendering
FROM batches WHERE batch_id > ? ORDER BY batch_id LIMIT ?;

-- select_waiting --
-- What is to be rendered next, oldest first.
SELECT batch_id FROM batches WHERE rendering = 'WAITING' ORDER BY batch_id LIMIT ?;

-- select_document --
-- What the letter is made of.
SELECT batch_name, created_at, payload FROM batches WHERE batch_id = ?;

-- mark_rendered --
-- The PDF is there.
UPDATE batches SET rendering = 'DONE' WHERE batch_id = ?;

-- mark_failed --
-- It could not be rendered, and says why.
UPDATE batches SET rendering = NULL, end_status = 'FAILED', category = ?, description = ? WHERE batch_id = ?;

-- count_try --
-- How often this fate has met this request, this time included.
INSERT INTO tries (request, fate) VALUES (?, ?)
ON CONFLICT (request, fate) DO UPDATE SET n = n + 1 RETURNING n;
