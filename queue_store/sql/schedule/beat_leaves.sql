-- A beat that stops in order hands the lease on at once.
WITH gone AS (
    DELETE FROM beats
    WHERE beat_id = %(beat_id)s OR heartbeat_at < now() - interval '7 days'
)
UPDATE beat_leader SET beat_id = NULL, leads_until = now() WHERE beat_id = %(beat_id)s
