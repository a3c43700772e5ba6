-- Drops the unsent notifications of a resolved alert, except those that are being sent now.
UPDATE public.alert_notices SET dropped_at = clock_timestamp()
WHERE alert_id = %(alert_id)s AND sent_at IS NULL AND dropped_at IS NULL
    AND (taken_at IS NULL OR error_message IS NOT NULL)
