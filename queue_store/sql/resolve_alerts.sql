-- The findings of these alerts are gone. Only codes that were judged now are resolved.
UPDATE alerts SET resolved_at = clock_timestamp()
WHERE resolved_at IS NULL AND code = ANY(%(judged_codes)s) AND alert_key <> ALL(%(seen_keys)s)
RETURNING id, level, rise_count
