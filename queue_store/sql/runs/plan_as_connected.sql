-- begin_slice.sql has changed settings that steer plans. This statement undoes these changes, so that they do not
-- affect the handler's statements in the same transaction.
SELECT set_config(name, reset_val, true) FROM pg_settings
WHERE name IN ('plan_cache_mode', 'enable_seqscan', 'enable_bitmapscan', 'jit')
