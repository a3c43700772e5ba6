-- Bounds the waits for locks in the rest of this transaction, or until ROLLBACK TO a savepoint before it. The transaction
-- of a run that ends keeps its row locked. If it waited here for the row of another flow, its heartbeats would wait too.
SELECT set_config('lock_timeout', '50ms', true)
