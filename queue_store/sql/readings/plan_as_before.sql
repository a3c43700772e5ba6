-- Undoes the settings of plan_by_index.sql, so that they do not affect other statements of the transaction.
SELECT set_config('enable_seqscan', %(seqscan)s, true), set_config('enable_bitmapscan', %(bitmapscan)s, true),
    set_config('jit', %(jit)s, true)
