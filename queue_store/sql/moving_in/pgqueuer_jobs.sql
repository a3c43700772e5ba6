-- Waiting jobs in the order of their ids. The jobs are locked, so a worker of PgQueuer that looks for work skips them.
-- The time is read as text, because Python cannot hold every time.
SELECT id, entrypoint, payload, priority, to_json(execute_after) #>> '{{}}', dedupe_key
FROM {jobs} WHERE status = 'queued' AND id > %(after_id)s
ORDER BY id LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
