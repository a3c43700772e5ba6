-- Returns a row if the flow has a suspect that arrows/claim_suspects.sql could claim now.
SELECT FROM public.unblocked_records q
WHERE q.status = 'pending' AND q.batch_limit IS NOT NULL AND q.flow_name = %(flow_name)s AND q.scheduled_at <= now()
ORDER BY q.batch_limit DESC, q.id
LIMIT 1
