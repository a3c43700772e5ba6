-- Takes the next notification for a contact before it is sent, so that two senders never send the same notification at
-- the same time. A notification that was not marked as sent within `retry_seconds` is taken again with the same id.
-- If it was taken more than a minute in the future, the database's clock stepped back, and it is taken again at once.
-- Each notification is taken `tries` times at most. A contact gets the notifications of an alert in order.
WITH next AS MATERIALIZED (
    SELECT n.id FROM public.alert_notices n
    WHERE n.sent_at IS NULL AND n.dropped_at IS NULL AND n.contact = %(contact)s AND n.try_count < %(tries)s
        AND (n.taken_at IS NULL OR n.taken_at < now() - make_interval(secs => %(retry_seconds)s)
            OR n.taken_at > now() + interval '1 minute')
        AND NOT EXISTS (
            SELECT FROM public.alert_notices earlier
            WHERE earlier.alert_id = n.alert_id AND earlier.contact = n.contact AND earlier.id < n.id
                AND earlier.sent_at IS NULL AND earlier.dropped_at IS NULL AND earlier.try_count < %(tries)s)
    ORDER BY n.id
    LIMIT 1
    FOR NO KEY UPDATE OF n SKIP LOCKED
)
UPDATE public.alert_notices n
SET taken_at = clock_timestamp(), try_count = n.try_count + 1, error_message = NULL
FROM next, public.alerts a
WHERE n.id = next.id AND a.id = n.alert_id
RETURNING n.id, n.change, n.level, n.escalation_step, n.contact, a.alert_key, a.code, a.flow_name, a.message,
    a.next_step, a.figure, a.threshold, a.opened_at, a.id AS alert_id
