-- Locks the flow, so that its runs begin one after the other. This is a separate statement before register_run,
-- because register_run must count the runs in a snapshot that is taken after the wait for this lock. Otherwise several
-- runs would count the same number and exceed the limit of the flow. `lock_timeout` bounds this wait and the later
-- waits of the transaction, until a rollback to an earlier savepoint. A run that begins in the transaction of its
-- predecessor waits only briefly, because the predecessor's heartbeats wait for the end of that transaction. Rescue
-- does not know this session yet, so the server itself ends the session if the process freezes. This statement makes
-- the same settings as plan_once.sql, so that the first claim can reuse a plan. Planning a claim takes longer than
-- executing it.
WITH bounded AS MATERIALIZED (
    SELECT set_config('lock_timeout', coalesce(%(lock_timeout)s, current_setting('lock_timeout')), true)
)
SELECT set_config('idle_in_transaction_session_timeout', '10s', true),
    set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
    set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true)
FROM public.flows f CROSS JOIN bounded
WHERE f.flow_name = %(flow_name)s
FOR NO KEY UPDATE OF f
