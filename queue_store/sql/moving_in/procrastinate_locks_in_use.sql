-- The locks that have a running job, or a job that a worker is taking at this moment.
SELECT DISTINCT lock FROM {jobs}
WHERE lock = ANY(%(locks)s) AND status IN ('todo', 'doing') AND id <> ALL(%(taken_ids)s)
