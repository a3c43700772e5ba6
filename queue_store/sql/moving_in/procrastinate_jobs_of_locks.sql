-- The later jobs that wait for the same locks, locked as well: jobs of one lock move together.
SELECT id, task_name, args, priority, scheduled_at, queueing_lock, lock
FROM {jobs} WHERE status = 'todo' AND id > %(after_id)s AND lock = ANY(%(locks)s)
ORDER BY id
FOR UPDATE SKIP LOCKED
