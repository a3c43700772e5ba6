-- Forgets contacts to which no process has had a channel for `silent_seconds`. Such contacts count as removed from
-- all settings.
DELETE FROM public.alert_contacts WHERE last_seen_at < now() - make_interval(secs => %(silent_seconds)s)
