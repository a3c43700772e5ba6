-- Escalates unacknowledged alerts to the next contact, if they have had the given level for longer than `seconds`.
-- After each further `seconds`, an alert that is still unacknowledged is escalated again, up to `last_step`.
UPDATE public.alerts
SET escalation_step = escalation_step + 1, escalated_at = clock_timestamp()
WHERE resolved_at IS NULL AND acknowledged_at IS NULL AND level = %(level)s AND escalation_step < %(last_step)s
    AND level_since < now() - (escalation_step + 1) * make_interval(secs => %(seconds)s)
RETURNING id, code, escalation_step, rise_count
