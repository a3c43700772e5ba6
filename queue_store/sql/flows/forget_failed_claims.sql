UPDATE public.flows SET claims_failing_since = NULL, claims_failed_at = NULL, claims_failed = 0, claims_error = NULL
WHERE flow_name = %(flow_name)s AND claims_failed_at IS NOT NULL
