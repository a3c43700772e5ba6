-- Counts the alerts that alerts.sql would find without its limit.
SELECT count(*) FROM public.alerts a
WHERE a.resolved_at IS NULL OR a.resolved_at >= now() - make_interval(secs => %(resolved_seconds)s)
