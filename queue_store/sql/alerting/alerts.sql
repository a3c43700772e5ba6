SELECT a.id, a.alert_key, a.code, a.flow_name, a.level, a.message, a.next_step, a.opened_at, a.level_since,
    a.last_seen_at, a.seen_count, a.escalation_step, a.acknowledged_by, a.resolved_at,
    (SELECT count(*) FROM public.alert_notices n WHERE n.alert_id = a.id AND n.sent_at IS NULL
        AND n.dropped_at IS NULL) AS unsent_count,
    (SELECT max(n.error_message) FROM public.alert_notices n WHERE n.alert_id = a.id AND n.sent_at IS NULL
        AND n.dropped_at IS NULL) AS sending_error
FROM public.alerts a
WHERE a.resolved_at IS NULL OR a.resolved_at >= now() - make_interval(secs => %(resolved_seconds)s)
ORDER BY a.resolved_at IS NOT NULL, array_position(ARRAY['emergency', 'critical', 'warning'], a.level), a.opened_at
LIMIT %(limit)s
