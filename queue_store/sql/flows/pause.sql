-- From now on no records of the flow are claimed, but running handlers finish. Returns no row if the flow was
-- paused already, or if there is no such flow.
UPDATE public.flows SET paused_at = clock_timestamp(), pause_reason = %(reason)s
WHERE flow_name = %(flow_name)s AND paused_at IS NULL
RETURNING flow_name
