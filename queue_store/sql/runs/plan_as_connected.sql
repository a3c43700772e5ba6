-- begin_slice.sql and readings/plan_by_index.sql change settings that steer plans. This statement undoes these changes, so
-- that they do not affect other statements in the same transaction, such as those of a handler.
SELECT set_config(name, reset_val, true) FROM pg_settings
WHERE name IN ('plan_cache_mode', 'enable_seqscan', 'enable_bitmapscan')
