-- The unfinished records that have one of these keys: (dedup_key, id).
SELECT dedup_key, id FROM processing_queue
WHERE flow_name = %(flow_name)s AND dedup_key = ANY(%(dedup_keys)s::text[]) AND status IN ('pending', 'processing')
