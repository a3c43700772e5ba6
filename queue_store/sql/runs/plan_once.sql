-- For the rest of the transaction: plans that are made once and serve every batch, and that go by an index even when
-- the table was still empty as they were made. And the lock by which rescue finds the session of this run.
SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
    pg_advisory_xact_lock_shared(%(session_lock)s)
