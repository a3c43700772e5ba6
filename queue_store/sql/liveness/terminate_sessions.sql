-- Ends the sessions of a run, because the open transaction of a frozen process keeps its locks and would block the
-- new owner of the records. The run's advisory lock identifies these sessions, as in sessions_of_run.sql. With
-- `lease_seconds`, a run that has sent a heartbeat within that time is left alone.
SELECT l.pid, pg_terminate_backend(l.pid, %(timeout_milliseconds)s)
FROM pg_locks l
WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
    AND l.classid = (%(session_lock)s::bigint >> 32)::oid AND l.objid = (%(session_lock)s::bigint & 4294967295)::oid
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.pid <> pg_backend_pid()
    AND (%(lease_seconds)s::float8 IS NULL OR EXISTS (
        SELECT FROM public.flow_execution_logs
        WHERE flow_instance_id = %(flow_instance_id)s
            AND heartbeat_at < clock_timestamp() - make_interval(secs => %(lease_seconds)s::float8)))
