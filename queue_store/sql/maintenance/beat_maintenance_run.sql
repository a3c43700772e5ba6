-- The first statement of every chunk of maintenance. Returns no row if the maintenance run was declared abandoned and
-- must stop.
UPDATE public.maintenance_runs SET heartbeat_at = clock_timestamp(), affected_count = %(affected_count)s
WHERE id = %(id)s AND state = 'running'
RETURNING id
