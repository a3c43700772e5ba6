-- Whether a run of the flow was declared dead within the last `seconds`. The xmax of the run's records does not always
-- show this to runs/hold_records.sql, because vacuum removes the xmax from a row when it freezes the row.
SELECT EXISTS (
    SELECT FROM public.flow_execution_logs r
    WHERE r.flow_name = %(flow_name)s AND r.state = 'dead'
        AND r.finished_at > now() - make_interval(secs => %(seconds)s))
