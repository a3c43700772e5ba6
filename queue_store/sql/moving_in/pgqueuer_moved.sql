-- Cancels jobs as PgQueuer itself does: deletes their rows and writes to PgQueuer's log.
WITH moved AS (
    DELETE FROM {jobs} WHERE id = ANY(%(ids)s) AND status = 'queued'
    RETURNING id, priority, entrypoint
)
INSERT INTO {log} (job_id, status, priority, entrypoint)
SELECT id, 'canceled', priority, entrypoint FROM moved
