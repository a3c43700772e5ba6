-- As PgQueuer cancels jobs: the row leaves, and its log says so.
WITH moved AS (
    DELETE FROM {jobs} WHERE id = ANY(%(ids)s) AND status = 'queued'
    RETURNING id, priority, entrypoint
)
INSERT INTO {log} (job_id, status, priority, entrypoint)
SELECT id, 'canceled', priority, entrypoint FROM moved
