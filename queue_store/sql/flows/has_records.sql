-- Whether a name is a flow, and whether it has records, by the counts.
SELECT EXISTS (SELECT FROM flows WHERE flow_name = %(flow_name)s) AS is_registered,
    coalesce((SELECT total FROM rollup_totals WHERE flow_name = %(flow_name)s), 0)
    + coalesce((SELECT sum(enqueued - purged) FROM rollup_deltas
        WHERE flow_name = %(flow_name)s AND id > (SELECT folded_through_id FROM rollup_progress)), 0) > 0 AS has_records
