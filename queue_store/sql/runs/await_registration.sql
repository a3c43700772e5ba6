-- The begin of a run whose connection broke during COMMIT may still be on its way: this waits until it has happened or
-- not. A row comes back when the run never was; roll it back.
INSERT INTO public.flow_execution_logs (flow_instance_id, flow_name, worker_process_id)
VALUES (%(flow_instance_id)s, %(flow_name)s, %(worker_process_id)s)
ON CONFLICT (flow_instance_id) DO NOTHING
RETURNING flow_instance_id
