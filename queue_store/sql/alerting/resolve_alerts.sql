-- Resolves the alerts whose findings are gone. An alert stays open if its code is not in `judged_codes`, or if a newer
-- judgement has seen the alert.
UPDATE public.alerts SET resolved_at = clock_timestamp()
WHERE resolved_at IS NULL AND code = ANY(%(judged_codes)s) AND alert_key <> ALL(%(seen_keys)s)
    AND (%(judged_at)s::timestamptz IS NULL OR last_seen_at <= %(judged_at)s::timestamptz)
RETURNING id, level, rise_count
