-- select_document_configuration --
-- One row, whether it is in force or not.
SELECT id, footer_id, app_doc_spec, code, value, effect_from_dat, effect_to_dat, true AS editable
FROM document_configurations WHERE id = %(id)s;

-- hold_document_configuration --
-- One row, which nobody else changes until the end of the transaction.
SELECT id, footer_id, app_doc_spec, code, value, effect_from_dat, effect_to_dat, true AS editable
FROM document_configurations WHERE id = %(id)s FOR UPDATE;

-- select_document_configurations --
-- All rows, those included that are over or yet to begin.
SELECT id, footer_id, app_doc_spec, code, value, effect_from_dat, effect_to_dat
FROM document_configurations ORDER BY code, footer_id, app_doc_spec, effect_from_dat, id;

-- search_document_configurations --
-- The most specific row a code. Footer first: the asked one beats the default 0. Within a footer: the whole
-- document name beats its two-letter prefix, which beats `*`.
SELECT DISTINCT ON (code) id, footer_id, app_doc_spec, code, value, effect_from_dat, effect_to_dat
FROM document_configurations
WHERE footer_id IN (%(footer_id)s, '0')
  AND app_doc_spec IN (%(document_name)s, left(%(document_name)s, 2), '*')
  AND (%(code)s::text IS NULL OR code = %(code)s)
  AND effect_from_dat <= coalesce(%(on)s, CURRENT_DATE) AND coalesce(%(on)s, CURRENT_DATE) < effect_to_dat
ORDER BY code, footer_id = %(footer_id)s DESC, app_doc_spec = %(document_name)s DESC, app_doc_spec <> '*' DESC;

-- lock_document_configuration --
-- Writers for one footer, document and code go one after the other, until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended(concat_ws(
    chr(31), %(footer_id)s::text, %(app_doc_spec)s::text, %(code)s::text), 2));

-- select_document_configuration_in_the_way --
-- A row that overlaps a new one and cannot be ended where that begins, since it begins later.
SELECT id, true AS editable, effect_from_dat
FROM document_configurations
WHERE footer_id = %(footer_id)s AND app_doc_spec = %(app_doc_spec)s AND code = %(code)s
  AND daterange(effect_from_dat, effect_to_dat) && daterange(
      coalesce(%(effect_from_dat)s, CURRENT_DATE), coalesce(%(effect_to_dat)s, DATE '4712-12-31'))
  AND effect_from_dat > coalesce(%(effect_from_dat)s, CURRENT_DATE)
ORDER BY effect_from_dat LIMIT 1;

-- end_older_document_configuration --
-- What a new row overlaps ends where that begins. One that began on the same day was then never in force.
UPDATE document_configurations
SET effect_to_dat = coalesce(%(effect_from_dat)s, CURRENT_DATE), updated_at = now()
WHERE footer_id = %(footer_id)s AND app_doc_spec = %(app_doc_spec)s AND code = %(code)s
  AND daterange(effect_from_dat, effect_to_dat) && daterange(
      coalesce(%(effect_from_dat)s, CURRENT_DATE), coalesce(%(effect_to_dat)s, DATE '4712-12-31'));

-- insert_document_configuration --
-- A new row; what is left out is as the schema has it.
INSERT INTO document_configurations (footer_id, app_doc_spec, code, value, effect_from_dat, effect_to_dat)
VALUES (%(footer_id)s, %(app_doc_spec)s, %(code)s, %(value)s,
        coalesce(%(effect_from_dat)s, CURRENT_DATE), coalesce(%(effect_to_dat)s, DATE '4712-12-31'))
RETURNING id, footer_id, app_doc_spec, code, value, effect_from_dat, effect_to_dat;

-- update_document_configuration --
-- Change a row; what is left out stays as it is.
UPDATE document_configurations
SET footer_id = %(footer_id)s, app_doc_spec = %(app_doc_spec)s, code = %(code)s, value = %(value)s,
    effect_from_dat = coalesce(%(effect_from_dat)s, effect_from_dat),
    effect_to_dat = coalesce(%(effect_to_dat)s, effect_to_dat), updated_at = now()
WHERE id = %(id)s
RETURNING id, footer_id, app_doc_spec, code, value, effect_from_dat, effect_to_dat;

-- end_document_configuration --
-- A row ends today. One that has ended stays as it is; one yet to begin will never be in force.
UPDATE document_configurations
SET effect_to_dat = greatest(effect_from_dat, least(effect_to_dat, CURRENT_DATE)), updated_at = now()
WHERE id = %(id)s
RETURNING id;
