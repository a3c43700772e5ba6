-- Records that are claimed by an unknown run, or by a run that is marked as settled. A settled run is over, and no
-- record may still be processing under it. The records of busy runs are not read.
SELECT format('claimed by run %%s, %%s', q.flow_instance_id,
    CASE WHEN r.flow_instance_id IS NULL THEN 'which has no row' ELSE 'which is over and settled' END) AS problem,
    q.id AS record_id
FROM public.processing_but_of_runs(ARRAY(SELECT flow_instance_id FROM public.busy_runs()), %(limit)s) q
LEFT JOIN public.flow_execution_logs r ON r.flow_instance_id = q.flow_instance_id
WHERE r.flow_instance_id IS NULL OR r.settled_at IS NOT NULL
ORDER BY q.id
LIMIT 100
