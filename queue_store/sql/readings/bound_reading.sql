-- Limits the duration of each statement until the end of this transaction, and switches off JIT compilation.
SELECT set_config('statement_timeout', %(timeout)s, true), set_config('jit', 'off', true)
