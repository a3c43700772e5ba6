-- The waiting jobs after `after_id` that have one of these locks. The rows of these jobs are locked as well, because
-- the jobs of one lock move together.
SELECT id, task_name, args, priority, scheduled_at, queueing_lock, lock
FROM {jobs} WHERE status = 'todo' AND id > %(after_id)s AND lock = ANY(%(locks)s)
ORDER BY id
FOR UPDATE SKIP LOCKED
