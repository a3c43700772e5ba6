-- Jobs that wait, by id, locked: a worker of Procrastinate that looks for work passes them by.
SELECT id, task_name, args, priority, scheduled_at, queueing_lock, lock
FROM {jobs} WHERE status = 'todo' AND id > %(after_id)s
ORDER BY id LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
