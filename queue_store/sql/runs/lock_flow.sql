-- Runs of one flow begin one after the other. A statement of its own, before register_run: that one must count the
-- runs in a snapshot taken after the wait, or several would count the same ones and exceed the cap. Rescue does not
-- know the session yet: where its process freezes, the server itself ends it for the others. The plans are those of
-- plan_once.sql: planning the first claim takes longer than the claim.
SELECT set_config('idle_in_transaction_session_timeout', '10s', true),
    set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true)
FROM public.flows WHERE flow_name = %(flow_name)s FOR NO KEY UPDATE
