-- A worker process says that it is alive. No row back: it was declared dead, and must not work on.
-- Processor use is smoothed over about a minute: a busy batch is no trouble.
UPDATE worker_processes
SET heartbeat_at = clock_timestamp(), pool_in_use = %(pool_in_use)s, memory_bytes = %(memory_bytes)s,
    clock_skew_seconds = coalesce(%(clock_skew_seconds)s::real, clock_skew_seconds),
    cpu_percent = coalesce(cpu_percent * 0.95 + %(cpu_percent)s::real * 0.05, %(cpu_percent)s::real)
WHERE worker_process_id = %(worker_process_id)s AND state IN ('running', 'stopping')
RETURNING state
