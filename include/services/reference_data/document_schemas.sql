-- select_document_schema --
-- One row, in force or not.
SELECT id, document_name, mode, schema, effect_from_dat, effect_to_dat, true AS editable
FROM document_schemas WHERE id = %(id)s;

-- hold_document_schema --
-- One row, locked until the end of the transaction.
SELECT id, document_name, mode, schema, effect_from_dat, effect_to_dat, true AS editable
FROM document_schemas WHERE id = %(id)s FOR UPDATE;

-- select_document_schemas --
-- All rows, including past and future ones, without the schemas themselves: a list of them may be too long to send.
SELECT id, document_name, mode, octet_length(schema::text) AS size_bytes, effect_from_dat, effect_to_dat
FROM document_schemas ORDER BY document_name, effect_from_dat, id;

-- search_document_schemas --
-- The row of a document name that is in force on a day; NULL: today.
SELECT id, document_name, mode, schema, effect_from_dat, effect_to_dat
FROM document_schemas
WHERE document_name = %(document_name)s
  AND effect_from_dat <= coalesce(%(on)s, CURRENT_DATE) AND coalesce(%(on)s, CURRENT_DATE) < effect_to_dat;

-- lock_document_schema --
-- Serialise the writers for one document name until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended(%(document_name)s::text, 3));

-- select_document_schema_in_the_way --
-- A row that overlaps a new one and cannot end where the new one begins, because it begins later.
SELECT id, true AS editable, effect_from_dat
FROM document_schemas
WHERE document_name = %(document_name)s
  AND daterange(effect_from_dat, effect_to_dat) && daterange(
      coalesce(%(effect_from_dat)s, CURRENT_DATE), coalesce(%(effect_to_dat)s, DATE '4712-12-31'))
  AND effect_from_dat > coalesce(%(effect_from_dat)s, CURRENT_DATE)
ORDER BY effect_from_dat LIMIT 1;

-- end_older_document_schema --
-- End the rows that a new row overlaps on the day when it begins. A row that began on the same day was never in force.
UPDATE document_schemas
SET effect_to_dat = coalesce(%(effect_from_dat)s, CURRENT_DATE), updated_at = now()
WHERE document_name = %(document_name)s
  AND daterange(effect_from_dat, effect_to_dat) && daterange(
      coalesce(%(effect_from_dat)s, CURRENT_DATE), coalesce(%(effect_to_dat)s, DATE '4712-12-31'));

-- insert_document_schema --
-- Insert a row. Fields that are left out get the schema's defaults.
INSERT INTO document_schemas (document_name, mode, schema, effect_from_dat, effect_to_dat)
VALUES (%(document_name)s, %(mode)s, %(json_schema)s::json,
        coalesce(%(effect_from_dat)s, CURRENT_DATE), coalesce(%(effect_to_dat)s, DATE '4712-12-31'))
RETURNING id, document_name, mode, schema, effect_from_dat, effect_to_dat;

-- update_document_schema --
-- Change a row. Dates that are left out do not change.
UPDATE document_schemas
SET document_name = %(document_name)s, mode = %(mode)s, schema = %(json_schema)s::json,
    effect_from_dat = coalesce(%(effect_from_dat)s, effect_from_dat),
    effect_to_dat = coalesce(%(effect_to_dat)s, effect_to_dat), updated_at = now()
WHERE id = %(id)s
RETURNING id, document_name, mode, schema, effect_from_dat, effect_to_dat;

-- end_document_schema --
-- End a row today. A row that has ended is not changed. A future row will never be in force.
UPDATE document_schemas
SET effect_to_dat = greatest(effect_from_dat, least(effect_to_dat, CURRENT_DATE)), updated_at = now()
WHERE id = %(id)s
RETURNING id;
