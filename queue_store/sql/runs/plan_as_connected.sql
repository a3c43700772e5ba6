-- Undoes the settings of begin_slice.sql that steer plans, because a handler's statements follow in the same
-- transaction.
SELECT set_config(name, reset_val, true) FROM pg_settings WHERE name IN ('plan_cache_mode', 'enable_seqscan')
