-- Rules of the schema that are missing, disabled or not validated: without them any state can be stored. Also returns
-- each function that everybody may call although the function runs as its owner. A schema before migration 0004 has
-- neither the trigger processing_queue_large_record nor its function.
SELECT format('%%s is missing, disabled or not valid', guard.name) AS problem, NULL::bigint AS record_id
FROM unnest(ARRAY['processing_queue_state', 'processing_queue_instants', 'processing_queue_status_check',
    'processing_queue_pkey', 'processing_queue_dedup', 'processing_queue_running_key', 'processing_queue_task_id',
    'only_known_transitions', 'processing_queue_new_record', 'account_for_insert', 'account_for_delete', 'account_for_truncate',
    'processing_queue_large_record']) AS guard(name)
WHERE (guard.name <> 'processing_queue_large_record' OR to_regproc('public.refuse_large_record') IS NOT NULL)
    AND NOT EXISTS (
        SELECT FROM pg_constraint c
        WHERE c.conrelid = 'public.processing_queue'::regclass AND c.conname = guard.name AND c.convalidated)
    AND NOT EXISTS (
        SELECT FROM pg_index i JOIN pg_class k ON k.oid = i.indexrelid
        WHERE i.indrelid = 'public.processing_queue'::regclass AND k.relname = guard.name AND i.indisvalid)
    AND NOT EXISTS (
        SELECT FROM pg_trigger t
        WHERE t.tgrelid = 'public.processing_queue'::regclass AND t.tgname = guard.name AND t.tgenabled IN ('O', 'A'))
UNION ALL
SELECT 'seal_audit is missing or disabled', NULL
WHERE NOT EXISTS (
    SELECT FROM pg_trigger t
    WHERE t.tgrelid = 'public.audit_log'::regclass AND t.tgname = 'seal_audit' AND t.tgenabled IN ('O', 'A'))
UNION ALL
SELECT format('%%s is missing or disabled: charts of all flows are wrong', guard.name), NULL
FROM unnest(ARRAY['sum_inserted_minutes', 'sum_updated_minutes', 'sum_deleted_minutes', 'sum_truncated_minutes'])
    AS guard(name)
WHERE NOT EXISTS (
    SELECT FROM pg_trigger t
    WHERE t.tgrelid = 'public.rollup_minutes'::regclass AND t.tgname = guard.name AND t.tgenabled IN ('O', 'A'))
UNION ALL
-- Finds functions that run with their owner's rights although everybody may call them. A dump that is restored without
-- privileges leaves such functions. `queuectl grant-roles` revokes this right.
SELECT format('everybody may call %%s, which runs as its owner', p.oid::regprocedure), NULL
FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef AND has_function_privilege(0::oid, p.oid, 'EXECUTE')
    AND p.proname IN ('account_for_insert', 'account_for_delete', 'account_for_truncate', 'cancel_own_records',
        'enqueue_or_explain', 'enqueue_record', 'enqueue_with_task_id', 'is_limited_producer', 'known_flows',
        'own_records', 'purge_audit', 'refuse_flows_of_others', 'seal_audit', 'seal_audit_anew', 'sum_minutes')
