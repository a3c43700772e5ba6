-- Whether a run of the flow was declared dead within the last `seconds`. runs/hold_records.sql cannot always see this
-- from the xmax of the run's records, because vacuum removes the xmax from a row when it freezes the row.
SELECT EXISTS (
    SELECT FROM public.flow_execution_logs r
    WHERE r.flow_name = %(flow_name)s AND r.state = 'dead'
        AND r.finished_at > now() - make_interval(secs => %(seconds)s))
