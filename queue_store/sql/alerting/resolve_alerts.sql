-- Resolves the alerts whose findings are gone. An alert stays open if its code is not in `judged_codes`, or if a newer
-- judgement has seen the alert. If the alert was seen more than a minute in the future, the database's clock stepped
-- back, and no newer judgement has seen the alert.
UPDATE public.alerts SET resolved_at = clock_timestamp()
WHERE resolved_at IS NULL AND code = ANY(%(judged_codes)s) AND alert_key <> ALL(%(seen_keys)s)
    AND (%(judged_at)s::timestamptz IS NULL OR last_seen_at <= %(judged_at)s::timestamptz
        OR last_seen_at > clock_timestamp() + interval '1 minute')
RETURNING id, level, rise_count
