-- The next notice that is to be sent. It is taken before it is sent: two senders never send the same one. One that
-- was taken long ago and never marked is tried again, with the same number.
WITH next AS MATERIALIZED (
    SELECT id FROM alert_notices
    WHERE sent_at IS NULL AND try_count < %(tries)s
        AND (taken_at IS NULL OR taken_at < now() - make_interval(secs => %(retry_seconds)s))
    ORDER BY id
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE alert_notices n
SET taken_at = clock_timestamp(), try_count = n.try_count + 1
FROM next, alerts a
WHERE n.id = next.id AND a.id = n.alert_id
RETURNING n.id, n.change, n.level, n.escalation_step, n.contact, a.alert_key, a.code, a.flow_name, a.message,
    a.next_step, a.figure, a.threshold, a.opened_at, a.id AS alert_id
