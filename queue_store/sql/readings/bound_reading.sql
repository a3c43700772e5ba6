-- Until the end of this transaction, no statement may take longer, and none is compiled.
SELECT set_config('statement_timeout', %(timeout)s, true), set_config('jit', 'off', true)
