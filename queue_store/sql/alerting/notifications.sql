-- The newest notifications to people about each of these alerts, in the order in which they were written. Notifications
-- to the log are left out. A notification is `dropped` if the alert was resolved first, and `forgotten` if the
-- contact was forgotten first. The notification that an alert is resolved is never `dropped`.
SELECT n.alert_id, n.contact, n.change, n.level, n.created_at, n.sent_at, n.try_count, n.error_message,
    CASE WHEN n.sent_at IS NOT NULL THEN 'sent'
        WHEN n.dropped_at IS NOT NULL THEN CASE WHEN n.change <> 'resolved'
            AND n.dropped_at >= (SELECT a.resolved_at FROM public.alerts a WHERE a.id = n.alert_id)
            THEN 'dropped' ELSE 'forgotten' END
        WHEN n.try_count >= %(tries)s AND (n.error_message IS NOT NULL OR n.taken_at < now() - interval '1 minute')
            THEN 'given up'
        WHEN n.error_message IS NOT NULL THEN 'failing'
        WHEN n.taken_at IS NOT NULL THEN 'being sent'
        WHEN EXISTS (SELECT FROM public.alert_contacts c WHERE c.contact = n.contact) THEN 'waiting'
        ELSE 'without channel' END AS state
FROM unnest(%(alert_ids)s::bigint[]) AS alert (id)
CROSS JOIN LATERAL (
    SELECT * FROM public.alert_notices newest
    WHERE newest.alert_id = alert.id AND newest.contact <> %(log)s
    ORDER BY newest.id DESC
    LIMIT %(limit)s) n
ORDER BY n.alert_id, n.id
