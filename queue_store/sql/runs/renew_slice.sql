-- If the transaction is the one that `open_slice` began, makes its settings that refuse COMMIT again, and returns a row.
-- Works under every role that a handler may have set.
SELECT set_config('processing_queue.open_slice', %(slice)s, true),
    set_config('processing_queue.settings', %(settings)s, true),
    set_config('default_transaction_read_only', %(mark)s, true)
WHERE pg_current_xact_id_if_assigned()::text = %(transaction)s
