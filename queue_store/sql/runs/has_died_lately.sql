-- Whether a run of the flow was declared dead within the last minutes. Its records may have lost the mark by which
-- runs/hold_records.sql tells them, where vacuum has frozen them.
SELECT EXISTS (
    SELECT FROM public.flow_execution_logs r
    WHERE r.flow_name = %(flow_name)s AND r.state = 'dead'
        AND r.finished_at > now() - make_interval(secs => %(seconds)s))
