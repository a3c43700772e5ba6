-- Ends the runs and worker processes that were alive in the backup, but not just before the restore. Then rescue gives
-- their records back without a crash strike. The other runs and processes keep the heartbeats that they had just before
-- the restore. In flows with a `max_crash_strikes` of 1, fail_lost.sql fails the records that no living run holds.
WITH living AS (
    SELECT id, heartbeat_at FROM unnest(%(ids)s::uuid[], %(heartbeats)s::timestamptz[]) AS living(id, heartbeat_at)
), kept_process AS (
    UPDATE public.worker_processes w SET heartbeat_at = living.heartbeat_at
    FROM living WHERE w.worker_process_id = living.id AND w.state IN ('running', 'stopping')
), ended_process AS (
    UPDATE public.worker_processes SET state = 'ended', ended_at = clock_timestamp()
    WHERE state IN ('running', 'stopping') AND worker_process_id <> ALL(%(ids)s::uuid[])
), kept_run AS (
    UPDATE public.flow_execution_logs r SET heartbeat_at = living.heartbeat_at
    FROM living WHERE r.flow_instance_id = living.id AND r.state IN ('running', 'stopping')
)
UPDATE public.flow_execution_logs r
SET state = 'ended', finished_at = clock_timestamp(), error_message = 'The queue was restored from a backup.'
WHERE r.state IN ('running', 'stopping') AND r.flow_instance_id <> ALL(%(ids)s::uuid[])
