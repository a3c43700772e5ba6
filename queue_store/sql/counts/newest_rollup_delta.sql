-- The id of the newest delta so far.
SELECT coalesce(pg_sequence_last_value('public.rollup_deltas_id_seq'::regclass), 0)
