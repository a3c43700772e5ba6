-- Counts the alerts of each level that are open.
SELECT level, count(*) AS alert_count FROM public.alerts WHERE resolved_at IS NULL GROUP BY level
