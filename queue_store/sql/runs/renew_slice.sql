-- If this is still the transaction that runs/open_slice.sql began, restores the settings that refuse a COMMIT, and
-- returns a row. A handler removes these settings if it calls RESET ALL. A handler can change the role of the session,
-- so this statement works under any role.
SELECT set_config('processing_queue.open_slice', %(slice)s, true),
    set_config('processing_queue.settings', %(settings)s, true),
    set_config('default_transaction_read_only', %(mark)s, true)
WHERE pg_current_xact_id_if_assigned()::text = %(transaction)s
