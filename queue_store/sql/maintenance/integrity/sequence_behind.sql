-- Finds a sequence whose next id is not above the largest id, so that the next id may already exist. The cause is a
-- restore that did not set the sequence.
SELECT format('the next id would be %%s, but the largest id is %%s', s.last_value + 1, newest.id) AS problem, newest.id AS record_id
FROM (SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('public.processing_queue', 'id')::regclass), 0) AS last_value) s
CROSS JOIN (SELECT max(id) AS id FROM public.processing_queue) newest
WHERE s.last_value < newest.id
