-- Stores how a maintenance run ended. The last chunk of the run has already stored the count. The audit log gets a row,
-- unless the run was a dry run or affected no rows.
WITH finished AS (
    UPDATE public.maintenance_runs
    SET state = CASE WHEN %(error_message)s::text IS NULL THEN 'finished' ELSE 'failed' END,
        finished_at = clock_timestamp(), result = %(result)s, error_message = %(error_message)s
    WHERE id = %(id)s AND state = 'running'
    RETURNING operation, actor, affected_count, dry_run, result
)
INSERT INTO public.audit_log (actor, action, target, affected_count, details)
SELECT actor, 'maintenance', operation, affected_count, coalesce(result, '{}')
FROM finished WHERE NOT dry_run AND affected_count > 0
