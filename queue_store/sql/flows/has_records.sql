-- Says whether a registered flow has the given name, and whether there are any records under this name, according to
-- the counts.
SELECT EXISTS (SELECT FROM public.flows WHERE flow_name = %(flow_name)s) AS is_registered,
    coalesce((SELECT total FROM public.rollup_totals WHERE flow_name = %(flow_name)s), 0)
    + coalesce((SELECT sum(enqueued - purged) FROM public.rollup_deltas
        WHERE flow_name = %(flow_name)s AND id > (SELECT folded_through_id FROM public.rollup_progress)), 0) > 0 AS has_records
