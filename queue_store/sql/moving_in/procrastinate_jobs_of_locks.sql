-- The waiting jobs after `after_id` that have one of these locks. The statement also locks the rows of these jobs,
-- because all jobs that share a lock move together.
SELECT id, task_name, args::text, priority, to_json(scheduled_at) #>> '{{}}', queueing_lock, lock
FROM {jobs} WHERE status = 'todo' AND id > %(after_id)s AND lock = ANY(%(locks)s)
ORDER BY id
FOR UPDATE SKIP LOCKED
