-- Steers the plans of a statement that looks up each flow's records, or that reads a page of records. The records are
-- read through an index, in the order of that index, even if the statistics describe a table with a few records.
-- Otherwise the whole table may be read once for each flow or page. The file runs/plan_once.sql says why `jit` is off.
-- Returns the settings for plan_as_before.sql.
WITH found AS MATERIALIZED (
    SELECT current_setting('enable_seqscan') AS seqscan, current_setting('enable_bitmapscan') AS bitmapscan,
        current_setting('jit') AS jit
)
SELECT seqscan, bitmapscan, jit, set_config('enable_seqscan', 'off', true),
    set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true)
FROM found
