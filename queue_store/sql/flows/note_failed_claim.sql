-- Counts a failed claim of the flow. If the previous failure was more than ten minutes ago, the count begins again
-- at 1.
UPDATE public.flows
SET claims_failing_since = CASE WHEN claims_failed_at > clock_timestamp() - interval '10 minutes'
        THEN claims_failing_since ELSE clock_timestamp() END,
    claims_failed = CASE WHEN claims_failed_at > clock_timestamp() - interval '10 minutes'
        THEN least(claims_failed, 1000000) + 1 ELSE 1 END,
    claims_failed_at = clock_timestamp(), claims_error = %(error)s
WHERE flow_name = %(flow_name)s
