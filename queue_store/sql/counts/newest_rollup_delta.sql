-- The number that the newest delta has by now.
SELECT coalesce(pg_sequence_last_value('public.rollup_deltas_id_seq'::regclass), 0)
