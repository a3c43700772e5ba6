-- The first statement of an express slice. If the process freezes during the slice, the idle timeout makes the server
-- end the session, which frees the slice's records. Postgres itself keeps this timeout, so it also works behind a
-- pooler. The other settings are those of plan_once.sql.
SELECT set_config('idle_in_transaction_session_timeout', %(idle_timeout)s, true),
    set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
    set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true),
    pg_advisory_xact_lock_shared(%(session_lock)s)
