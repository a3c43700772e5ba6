-- The alert is resolved: what nobody was told is not told any more. One that is being sent at this moment is left.
UPDATE alert_notices SET dropped_at = clock_timestamp()
WHERE alert_id = %(alert_id)s AND sent_at IS NULL AND dropped_at IS NULL
    AND (taken_at IS NULL OR error_message IS NOT NULL)
