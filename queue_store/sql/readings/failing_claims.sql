-- Flows whose claims fail again and again. A flow whose last failed claim was ten minutes ago or earlier is left
-- out.
SELECT flow_name, claims_failed AS failed_count, claims_failing_since AS since, claims_error AS error
FROM public.flows
WHERE claims_failed >= %(at_least)s AND claims_failed_at > now() - interval '10 minutes'
    AND claims_failed_at - claims_failing_since >= make_interval(secs => %(for_seconds)s)
ORDER BY flow_name
