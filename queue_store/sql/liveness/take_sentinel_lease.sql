-- A worker process takes or renews the lease of the sentinel, unless another process holds the lease. Returns a row if
-- the process is the sentinel now.
UPDATE public.beat_leader
SET watcher_id = %(worker_process_id)s, watches_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE watcher_id = %(worker_process_id)s OR watches_until < clock_timestamp()
RETURNING watcher_id
