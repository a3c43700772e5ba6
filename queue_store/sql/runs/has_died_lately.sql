-- Whether a run of the flow was declared dead within the last minutes. If vacuum has frozen its records, they
-- may have lost the mark that runs/hold_records.sql looks for.
SELECT EXISTS (
    SELECT FROM public.flow_execution_logs r
    WHERE r.flow_name = %(flow_name)s AND r.state = 'dead'
        AND r.finished_at > now() - make_interval(secs => %(seconds)s))
