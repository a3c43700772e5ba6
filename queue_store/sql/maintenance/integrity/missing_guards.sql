-- Rules of the schema that are gone, disabled or not validated: without them any state can be stored.
SELECT format('%%s is missing, disabled or not valid', guard.name) AS problem, NULL::bigint AS record_id
FROM unnest(ARRAY['processing_queue_state', 'processing_queue_instants', 'processing_queue_status_check',
    'processing_queue_pkey', 'processing_queue_dedup', 'processing_queue_running_key', 'only_known_transitions',
    'account_for_insert', 'account_for_delete']) AS guard(name)
WHERE NOT EXISTS (
        SELECT FROM pg_constraint c
        WHERE c.conrelid = 'processing_queue'::regclass AND c.conname = guard.name AND c.convalidated)
    AND NOT EXISTS (
        SELECT FROM pg_index i JOIN pg_class k ON k.oid = i.indexrelid
        WHERE i.indrelid = 'processing_queue'::regclass AND k.relname = guard.name AND i.indisvalid)
    AND NOT EXISTS (
        SELECT FROM pg_trigger t
        WHERE t.tgrelid = 'processing_queue'::regclass AND t.tgname = guard.name AND t.tgenabled IN ('O', 'A'))
