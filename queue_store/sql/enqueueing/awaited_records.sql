-- Returns the status, the result and the error of each given record. Returns (id, NULL, …) for a record that does not
-- exist. `OFFSET 0` makes Postgres look up each record by its id, even if the statistics are old.
SELECT wanted.id, q.status, q.result, q.error_message
FROM unnest(%(ids)s::bigint[]) AS wanted(id) LEFT JOIN LATERAL (
    SELECT r.status, r.result, r.error_message FROM public.processing_queue r WHERE r.id = wanted.id
    OFFSET 0) q ON true
