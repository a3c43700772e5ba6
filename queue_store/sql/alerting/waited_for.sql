-- The given contacts for which a notification can still be sent.
SELECT DISTINCT contact FROM public.alert_notices
WHERE sent_at IS NULL AND dropped_at IS NULL AND contact = ANY(%(contacts)s) AND try_count < %(tries)s
