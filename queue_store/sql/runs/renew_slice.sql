-- If `open_slice` began this transaction, restores the settings by which `open_slice` refuses a COMMIT, and returns a
-- row. Works under every role that a handler may have set.
SELECT set_config('processing_queue.open_slice', %(slice)s, true),
    set_config('processing_queue.settings', %(settings)s, true),
    set_config('default_transaction_read_only', %(mark)s, true)
WHERE pg_current_xact_id_if_assigned()::text = %(transaction)s
