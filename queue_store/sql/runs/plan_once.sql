-- Steers the plans of this transaction. Each plan is made once and serves every batch. These plans read rows in the
-- order of an index, even if the statistics describe a table that is empty or has a few records. Before Postgres 18,
-- these settings make each plan look so expensive that Postgres would compile it. So `jit` is off. (Without PgBouncer,
-- each session already turns `jit` off when it connects.) The advisory lock tells rescue which session works for this
-- run.
SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
    set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true),
    pg_advisory_xact_lock_shared(%(session_lock)s)
