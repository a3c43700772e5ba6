INSERT INTO public.alert_notices (alert_id, change, level, rise_count, escalation_step, contact)
SELECT %(alert_id)s, %(change)s, %(level)s, %(rise_count)s, %(escalation_step)s, unnest(%(contacts)s::text[])
ON CONFLICT (alert_id, change, level, rise_count, escalation_step, contact) DO NOTHING
