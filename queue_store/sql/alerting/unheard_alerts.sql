-- Counts unacknowledged critical alerts and emergencies about which no person has been notified, because the
-- notifications are still unsent. Also returns how long the oldest of these unsent notifications has waited. The alert
-- that reports such unsent notifications is not counted.
SELECT count(DISTINCT a.id) AS alert_count,
    coalesce(extract(epoch FROM now() - min(n.created_at)), 0)::float8 AS waiting_seconds
FROM public.alert_notices n
JOIN public.alerts a ON a.id = n.alert_id
WHERE n.sent_at IS NULL AND n.dropped_at IS NULL AND n.contact <> %(log)s
    AND a.resolved_at IS NULL AND a.acknowledged_at IS NULL AND a.level IN ('critical', 'emergency')
    AND a.code <> %(unreached_code)s
    AND NOT EXISTS (SELECT FROM public.alert_notices heard
        WHERE heard.alert_id = a.id AND heard.contact <> %(log)s AND heard.sent_at IS NOT NULL)
