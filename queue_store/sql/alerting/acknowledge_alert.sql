-- Marks an alert as acknowledged. An acknowledged alert is not escalated any more.
WITH acknowledged AS (
    UPDATE public.alerts SET acknowledged_at = clock_timestamp(), acknowledged_by = %(actor)s
    WHERE id = %(id)s AND resolved_at IS NULL AND acknowledged_at IS NULL
    RETURNING id, alert_key
), noted AS (
    INSERT INTO public.audit_log (actor, action, target, affected_count)
    SELECT %(actor)s, 'acknowledge alert', alert_key, 1 FROM acknowledged
)
SELECT id FROM acknowledged
