-- Waiting jobs in the order of their ids. The jobs are locked, so a worker of Procrastinate that looks for work skips
-- them. The args are read as text, so that no number is rounded or shortened. The time is read as text, because Python
-- cannot hold every time.
SELECT id, task_name, args::text, priority, to_json(scheduled_at) #>> '{{}}', queueing_lock, lock
FROM {jobs} WHERE status = 'todo' AND id > %(after_id)s
ORDER BY id LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
