-- No process has had a channel to them for so long that they are taken for removed.
DELETE FROM public.alert_contacts WHERE last_seen_at < now() - make_interval(secs => %(silent_seconds)s)
