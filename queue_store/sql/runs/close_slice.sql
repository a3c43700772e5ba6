-- No row: the transaction is not the one that `open_slice` began. After this statement it may be committed.
DELETE FROM open_slices
WHERE ctid = nullif(current_setting('processing_queue.open_slice', true), '')::tid
RETURNING
    set_config('processing_queue.open_slice', '', true),
    -- A temporary table hides no table of ours.
    set_config('search_path', concat_ws(', ', nullif(current_setting('search_path'), ''), 'pg_temp'), true)
