-- Limits the duration of each later statement of this transaction, and returns the limit that was in force before. A
-- rollback to an earlier savepoint restores the limit that was in force before.
WITH found AS MATERIALIZED (
    SELECT current_setting('statement_timeout') AS timeout
)
SELECT timeout, set_config('statement_timeout', %(timeout)s, true) FROM found
