-- The first statement of a one-COMMIT slice. It inserts a row whose deferred trigger refuses every COMMIT until
-- `reset_session` has been executed. The statement also stores the settings that a handler may change, so that
-- `put_back_settings` can restore them. Rescue finds the session by the advisory lock. `default_transaction_read_only`
-- is inverted with SET LOCAL. So when the transaction ends, the setting changes back, and Postgres reports this change
-- to the client. In the slice itself, the inverted setting has no effect, because it only affects transactions that
-- begin later.
WITH opened AS (INSERT INTO public.open_slices DEFAULT VALUES RETURNING ctid)
SELECT
    ctid::text,
    pg_current_xact_id()::text,
    set_config(
        'default_transaction_read_only',
        CASE current_setting('default_transaction_read_only') WHEN 'on' THEN 'off' ELSE 'on' END,
        true),
    set_config('processing_queue.open_slice', ctid::text, true),
    set_config(
        'idle_in_transaction_session_timeout',
        coalesce(%(idle_timeout)s, current_setting('idle_in_transaction_session_timeout')),
        true),
    set_config(
        'processing_queue.settings',
        (SELECT json_object_agg(name, coalesce(current_setting(name, true), ''))::text
            FROM unnest(%(names)s::text[]) AS name),
        true),
    pg_advisory_xact_lock_shared(%(session_lock)s)
FROM opened
