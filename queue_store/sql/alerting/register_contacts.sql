-- Stores the contacts that processes of this kind can reach. Many processes store the same contacts, so a row is not
-- updated again if any process updated it in the last `fresh_seconds`.
INSERT INTO public.alert_contacts AS known (contact, process_kind, hostname, pid)
SELECT named.contact, %(process_kind)s, %(hostname)s, %(pid)s
FROM unnest(%(contacts)s::text[]) AS named (contact)
WHERE NOT EXISTS (
    SELECT FROM public.alert_contacts fresh
    WHERE fresh.contact = named.contact AND fresh.process_kind = %(process_kind)s
        AND fresh.last_seen_at > now() - make_interval(secs => %(fresh_seconds)s))
ORDER BY named.contact
ON CONFLICT (contact, process_kind) DO UPDATE
SET hostname = excluded.hostname, pid = excluded.pid, last_seen_at = clock_timestamp()
