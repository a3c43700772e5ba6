-- Returns each known contact, the process that last had a channel to the contact, and the number of the contact's
-- waiting notifications.
SELECT DISTINCT ON (c.contact) c.contact, c.process_kind, c.hostname, c.pid, c.last_seen_at,
    extract(epoch FROM now() - c.last_seen_at)::float8 AS silent_seconds,
    (SELECT count(*) FROM public.alert_notices n
        WHERE n.contact = c.contact AND n.sent_at IS NULL AND n.dropped_at IS NULL) AS waiting_count
FROM public.alert_contacts c
ORDER BY c.contact, c.last_seen_at DESC, c.process_kind
