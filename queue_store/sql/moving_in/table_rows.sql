-- Locks waiting rows in the order of their ids. The status is compared as text, because its column may have any type.
-- `values`: each column that the import reads, as JSON text, so that no value is rounded or shortened. `shown_id`: the
-- id, as text if it is no integer.
SELECT {shown_id}, ARRAY[{values}] FROM {jobs} source
WHERE source.{status}::text = ANY(%(pending)s)
ORDER BY source.{id} LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
