-- Locks waiting rows in the order of their ids. The status is compared as text, because its column may have any
-- type.
SELECT source.{id}, to_jsonb(source) FROM {jobs} source
WHERE source.{status}::text = ANY(%(pending)s)
ORDER BY source.{id} LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
