-- select_document_configuration --
-- One row, in force or not.
SELECT id, footer_id, app_doc_spec, code, value, effect_from_dat, effect_to_dat, true AS editable
FROM document_configurations WHERE id = %(id)s;

-- hold_document_configuration --
-- One row, locked until the end of the transaction.
SELECT id, footer_id, app_doc_spec, code, value, effect_from_dat, effect_to_dat, true AS editable
FROM document_configurations WHERE id = %(id)s FOR UPDATE;

-- select_document_configurations --
-- All rows, including past and future ones.
SELECT id, footer_id, app_doc_spec, code, value, effect_from_dat, effect_to_dat
FROM document_configurations ORDER BY code, footer_id, app_doc_spec, effect_from_dat, id;

-- search_document_configurations --
-- The most specific row for each code. The given footer takes precedence over the default 0. Within a footer, the whole
-- document name takes precedence over its two-letter prefix, and that over `*`.
SELECT DISTINCT ON (code) id, footer_id, app_doc_spec, code, value, effect_from_dat, effect_to_dat
FROM document_configurations
WHERE footer_id IN (%(footer_id)s, '0')
  AND app_doc_spec IN (%(document_name)s, left(%(document_name)s, 2), '*')
  AND (%(code)s::text IS NULL OR code = %(code)s)
  AND effect_from_dat <= coalesce(%(on)s, CURRENT_DATE) AND coalesce(%(on)s, CURRENT_DATE) < effect_to_dat
ORDER BY code, footer_id = %(footer_id)s DESC, app_doc_spec = %(document_name)s DESC, app_doc_spec <> '*' DESC;

-- lock_document_configuration --
-- Serialise the writers for one footer, document and code until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended(concat_ws(
    chr(31), %(footer_id)s::text, %(app_doc_spec)s::text, %(code)s::text), 2));

-- select_document_configuration_in_the_way --
-- A row that overlaps a new one and cannot end where the new one begins, because it begins later.
SELECT id, true AS editable, effect_from_dat
FROM document_configurations
WHERE footer_id = %(footer_id)s AND app_doc_spec = %(app_doc_spec)s AND code = %(code)s
  AND daterange(effect_from_dat, effect_to_dat) && daterange(
      coalesce(%(effect_from_dat)s, CURRENT_DATE), coalesce(%(effect_to_dat)s, DATE '4712-12-31'))
  AND effect_from_dat > coalesce(%(effect_from_dat)s, CURRENT_DATE)
ORDER BY effect_from_dat LIMIT 1;

-- end_older_document_configuration --
-- End the rows that a new row overlaps on the day when it begins. A row that began on the same day was never in force.
UPDATE document_configurations
SET effect_to_dat = coalesce(%(effect_from_dat)s, CURRENT_DATE), updated_at = now()
WHERE footer_id = %(footer_id)s AND app_doc_spec = %(app_doc_spec)s AND code = %(code)s
  AND daterange(effect_from_dat, effect_to_dat) && daterange(
      coalesce(%(effect_from_dat)s, CURRENT_DATE), coalesce(%(effect_to_dat)s, DATE '4712-12-31'));

-- insert_document_configuration --
-- Insert a row. Fields that are left out get the schema's defaults.
INSERT INTO document_configurations (footer_id, app_doc_spec, code, value, effect_from_dat, effect_to_dat)
VALUES (%(footer_id)s, %(app_doc_spec)s, %(code)s, %(value)s,
        coalesce(%(effect_from_dat)s, CURRENT_DATE), coalesce(%(effect_to_dat)s, DATE '4712-12-31'))
RETURNING id, footer_id, app_doc_spec, code, value, effect_from_dat, effect_to_dat;

-- update_document_configuration --
-- Change a row. Dates that are left out do not change.
UPDATE document_configurations
SET footer_id = %(footer_id)s, app_doc_spec = %(app_doc_spec)s, code = %(code)s, value = %(value)s,
    effect_from_dat = coalesce(%(effect_from_dat)s, effect_from_dat),
    effect_to_dat = coalesce(%(effect_to_dat)s, effect_to_dat), updated_at = now()
WHERE id = %(id)s
RETURNING id, footer_id, app_doc_spec, code, value, effect_from_dat, effect_to_dat;

-- end_document_configuration --
-- End a row today. A row that has ended is not changed. A future row will never be in force.
UPDATE document_configurations
SET effect_to_dat = greatest(effect_from_dat, least(effect_to_dat, CURRENT_DATE)), updated_at = now()
WHERE id = %(id)s
RETURNING id;
