-- Forgets contacts to which no process has had a channel for a long time. They count as removed.
DELETE FROM public.alert_contacts WHERE last_seen_at < now() - make_interval(secs => %(silent_seconds)s)
