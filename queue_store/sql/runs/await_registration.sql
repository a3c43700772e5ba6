-- If the connection broke during the COMMIT that registers a run, that COMMIT may still be in progress. This
-- statement waits until that COMMIT has either happened or failed. If the statement returns a row, the run was never
-- registered: roll back.
INSERT INTO public.flow_execution_logs (flow_instance_id, flow_name, worker_process_id)
VALUES (%(flow_instance_id)s, %(flow_name)s, %(worker_process_id)s)
ON CONFLICT (flow_instance_id) DO NOTHING
RETURNING flow_instance_id
