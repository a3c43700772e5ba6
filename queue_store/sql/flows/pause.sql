-- No more records of the flow are claimed; those that are running finish. Returns nothing when it was paused already.
UPDATE public.flows SET paused_at = clock_timestamp(), pause_reason = %(reason)s
WHERE flow_name = %(flow_name)s AND paused_at IS NULL
RETURNING flow_name
