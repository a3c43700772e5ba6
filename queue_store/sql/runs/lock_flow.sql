-- Locks the flow, so that its runs begin one after the other. This is a separate statement before register_run, because
-- register_run must count the runs in a snapshot taken after the wait. Otherwise several runs would count the same
-- number and exceed the limit of the flow. Rescue does not know this session yet, so the server itself ends the session
-- if the process freezes. With the settings of plan_once.sql, the first claim can reuse a plan. Planning a claim takes
-- longer than executing it.
SELECT set_config('idle_in_transaction_session_timeout', '10s', true),
    set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
    set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true)
FROM public.flows WHERE flow_name = %(flow_name)s FOR NO KEY UPDATE
