-- Jobs that wait, by id, locked: a worker of PgQueuer that looks for work passes them by.
SELECT id, entrypoint, payload, priority, execute_after, dedupe_key
FROM {jobs} WHERE status = 'queued' AND id > %(after_id)s
ORDER BY id LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
