-- Nothing more of the flow is claimed; what runs, ends. Returns nothing when it was paused already.
UPDATE public.flows SET paused_at = clock_timestamp(), pause_reason = %(reason)s
WHERE flow_name = %(flow_name)s AND paused_at IS NULL
RETURNING flow_name
