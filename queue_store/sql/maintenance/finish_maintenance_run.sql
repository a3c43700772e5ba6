WITH finished AS (
    UPDATE public.maintenance_runs
    SET state = CASE WHEN %(error_message)s::text IS NULL THEN 'finished' ELSE 'failed' END,
        finished_at = clock_timestamp(), affected_count = %(affected_count)s, result = %(result)s,
        error_message = %(error_message)s
    WHERE id = %(id)s AND state = 'running'
    RETURNING operation, actor, affected_count, dry_run, result
)
INSERT INTO public.audit_log (actor, action, target, affected_count, details)
SELECT actor, 'maintenance', operation, affected_count, coalesce(result, '{}')
FROM finished WHERE NOT dry_run AND affected_count > 0
