SELECT flow_instance_id FROM public.flow_execution_logs
WHERE flow_instance_id = %(flow_instance_id)s AND state IN ('running', 'stopping')
