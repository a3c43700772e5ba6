-- Resolves the alerts whose findings are gone: only those whose code was judged now, and none that a newer judgement
-- has seen.
UPDATE public.alerts SET resolved_at = clock_timestamp()
WHERE resolved_at IS NULL AND code = ANY(%(judged_codes)s) AND alert_key <> ALL(%(seen_keys)s)
    AND (%(judged_at)s::timestamptz IS NULL OR last_seen_at <= %(judged_at)s::timestamptz)
RETURNING id, level, rise_count
