-- Whether a run of the flow was declared dead within the last `seconds`. If vacuum has frozen the records of a dead
-- run, the records may have lost the mark that runs/hold_records.sql looks for.
SELECT EXISTS (
    SELECT FROM public.flow_execution_logs r
    WHERE r.flow_name = %(flow_name)s AND r.state = 'dead'
        AND r.finished_at > now() - make_interval(secs => %(seconds)s))
