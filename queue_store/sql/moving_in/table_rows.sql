-- Rows that wait, by id, locked. Text: the status may be of any type.
SELECT source.{id}, to_jsonb(source) FROM {jobs} source
WHERE source.{status}::text = ANY(%(pending)s)
ORDER BY source.{id} LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
