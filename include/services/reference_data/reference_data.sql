-- select_one --
-- Check that the database answers.
SELECT 1;

-- select_reference_data --
-- One row, in force or not.
SELECT id, ref_data_type, ref_data_value, description, editable, effect_from_dat, effect_to_dat
FROM reference_data WHERE id = %(id)s;

-- hold_reference_data --
-- One row, locked until the end of the transaction.
SELECT id, ref_data_type, ref_data_value, description, editable, effect_from_dat, effect_to_dat
FROM reference_data WHERE id = %(id)s FOR UPDATE;

-- select_reference_data_in_force --
-- All rows of a type that are in force on a day; NULL: today.
SELECT id, ref_data_type, ref_data_value, description, editable, effect_from_dat, effect_to_dat
FROM reference_data
WHERE ref_data_type = %(ref_data_type)s
  AND effect_from_dat <= coalesce(%(on)s, CURRENT_DATE) AND coalesce(%(on)s, CURRENT_DATE) < effect_to_dat
ORDER BY ref_data_value, id;

-- lock_reference_data --
-- Serialise the writers of one value until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended(concat_ws(chr(31), %(ref_data_type)s::text, %(ref_data_value)s::text), 1));

-- select_reference_data_in_the_way --
-- A row that overlaps a new one and cannot end where the new one begins: it is not editable, or it begins later.
SELECT id, editable, effect_from_dat
FROM reference_data
WHERE ref_data_type = %(ref_data_type)s AND ref_data_value = %(ref_data_value)s
  AND daterange(effect_from_dat, effect_to_dat) && daterange(
      coalesce(%(effect_from_dat)s, CURRENT_DATE), coalesce(%(effect_to_dat)s, DATE '4712-12-31'))
  AND (NOT editable OR effect_from_dat > coalesce(%(effect_from_dat)s, CURRENT_DATE))
ORDER BY effect_from_dat LIMIT 1;

-- end_older_reference_data --
-- End the rows that a new row overlaps on the day when it begins. A row that began on the same day was never in force.
UPDATE reference_data
SET effect_to_dat = coalesce(%(effect_from_dat)s, CURRENT_DATE), updated_at = now()
WHERE ref_data_type = %(ref_data_type)s AND ref_data_value = %(ref_data_value)s
  AND daterange(effect_from_dat, effect_to_dat) && daterange(
      coalesce(%(effect_from_dat)s, CURRENT_DATE), coalesce(%(effect_to_dat)s, DATE '4712-12-31'));

-- insert_reference_data --
-- Insert a row. Fields that are left out get the schema's defaults.
INSERT INTO reference_data (ref_data_type, ref_data_value, description, editable, effect_from_dat, effect_to_dat)
VALUES (%(ref_data_type)s, %(ref_data_value)s, coalesce(%(description)s, ''), coalesce(%(editable)s, true),
        coalesce(%(effect_from_dat)s, CURRENT_DATE), coalesce(%(effect_to_dat)s, DATE '4712-12-31'))
RETURNING id, ref_data_type, ref_data_value, description, editable, effect_from_dat, effect_to_dat;

-- update_reference_data --
-- Change an editable row. Fields that are left out do not change.
UPDATE reference_data
SET ref_data_type = %(ref_data_type)s, ref_data_value = %(ref_data_value)s,
    description = coalesce(%(description)s, description), editable = coalesce(%(editable)s, editable),
    effect_from_dat = coalesce(%(effect_from_dat)s, effect_from_dat),
    effect_to_dat = coalesce(%(effect_to_dat)s, effect_to_dat), updated_at = now()
WHERE id = %(id)s AND editable
RETURNING id, ref_data_type, ref_data_value, description, editable, effect_from_dat, effect_to_dat;

-- end_reference_data --
-- End an editable row today. A row that has ended is not changed. A future row will never be in force.
UPDATE reference_data
SET effect_to_dat = greatest(effect_from_dat, least(effect_to_dat, CURRENT_DATE)), updated_at = now()
WHERE id = %(id)s AND editable
RETURNING id;

-- write_as --
-- Whose name the history gets for what this transaction writes.
SELECT set_config('oms.actor', %(actor)s, true);
