-- Forgets contacts to which no process has had a channel for `silent_seconds`. Such a contact is assumed to be
-- no longer in the settings of any process.
DELETE FROM public.alert_contacts WHERE last_seen_at < now() - make_interval(secs => %(silent_seconds)s)
