-- The run whose express slice holds a pending record. The row's xmax is the transaction that locked the row last. While
-- the transaction of a slice is open, its session holds the run's advisory lock. This lock identifies the run. A
-- replica does not see these locks. 1886483061 is the lock's class: see queue_store/runs/sessions.py.
SELECT r.flow_instance_id, r.state, w.hostname, w.pid, r.started_at, r.heartbeat_at
FROM public.processing_queue q
JOIN pg_locks opened ON opened.locktype = 'transactionid' AND opened.granted AND opened.mode = 'ExclusiveLock'
    AND opened.transactionid = q.xmax
JOIN pg_locks l ON l.pid = opened.pid AND l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
    AND l.classid = 1886483061
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
JOIN public.flow_execution_logs r ON r.flow_name = q.flow_name AND r.state IN ('running', 'stopping')
    AND ('x' || left(r.flow_instance_id::text, 8))::bit(32)::bigint = l.objid::bigint
LEFT JOIN public.worker_processes w ON w.worker_process_id = r.worker_process_id
WHERE q.id = %(id)s AND q.status = 'pending'
LIMIT 1
