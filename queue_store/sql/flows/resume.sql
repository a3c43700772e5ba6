UPDATE public.flows SET paused_at = NULL, pause_reason = NULL
WHERE flow_name = %(flow_name)s AND paused_at IS NOT NULL
RETURNING flow_name
