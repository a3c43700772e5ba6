-- Returns a row if a living worker process other than this one holds the lease of the sentinel. A process with a
-- heartbeat in the future does not count: the clock of the database has stepped back since then.
SELECT w.worker_process_id
FROM public.beat_leader l
JOIN public.worker_processes w ON w.worker_process_id = l.watcher_id
WHERE l.watches_until > clock_timestamp() AND w.state = 'running'
    AND w.heartbeat_at < clock_timestamp() + interval '1 minute' AND (w.hostname, w.pid) <> (%(hostname)s, %(pid)s)
