-- Returns the status, the result and the error of each given record. Returns (id, NULL, …) for a record that does not
-- exist.
SELECT wanted.id, q.status, q.result, q.error_message
FROM unnest(%(ids)s::bigint[]) AS wanted(id) LEFT JOIN public.processing_queue q ON q.id = wanted.id
