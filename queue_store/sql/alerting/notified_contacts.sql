SELECT DISTINCT contact FROM public.alert_notices WHERE alert_id = %(alert_id)s AND dropped_at IS NULL ORDER BY contact
