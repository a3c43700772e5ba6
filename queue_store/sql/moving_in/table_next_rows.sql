-- Like table_rows.sql, for the rows after `after_id`.
SELECT {shown_id}, ARRAY[{values}] FROM {jobs} source
WHERE source.{status}::text = ANY(%(pending)s) AND source.{id} > %(after_id)s::{id_type}
ORDER BY source.{id} LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
