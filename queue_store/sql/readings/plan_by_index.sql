-- Steers the plans of a statement that looks up each flow's records. The records are read through an index, in its
-- order, even if the statistics describe a table with a few records. Otherwise the whole table may be read once for
-- each flow.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)
