-- The first statement of an express slice. The server ends the session of a process that freezes in the slice, which
-- frees its records, behind a pooler too. The rest is as in plan_once.
SELECT set_config('idle_in_transaction_session_timeout', %(idle_timeout)s, true),
    set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
    pg_advisory_xact_lock_shared(%(session_lock)s)
