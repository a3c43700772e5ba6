-- A worker process takes or renews the lease of the sentinel, unless another process holds the lease. A lease that ends
-- more than a minute later than a new one is over: the database's clock stepped back. Returns a row if the process is
-- the sentinel now.
UPDATE public.beat_leader
SET watcher_id = %(worker_process_id)s, watches_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE watcher_id = %(worker_process_id)s OR watches_until < clock_timestamp()
    OR watches_until > clock_timestamp() + make_interval(secs => %(lease_seconds)s + 60)
RETURNING watcher_id
