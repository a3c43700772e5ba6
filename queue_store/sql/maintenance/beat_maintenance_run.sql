-- The last statement of every chunk of maintenance, and the heartbeat during a long chunk. For a heartbeat,
-- `affected_count` is NULL, so the stored count does not change. Returns no row if the maintenance run was declared
-- abandoned and must stop.
UPDATE public.maintenance_runs
SET heartbeat_at = clock_timestamp(), affected_count = coalesce(%(affected_count)s::bigint, affected_count)
WHERE id = %(id)s AND state = 'running'
RETURNING id
