UPDATE public.alert_notices
SET sent_at = CASE WHEN %(error_message)s::text IS NULL THEN clock_timestamp() END, error_message = %(error_message)s
WHERE id = %(id)s
