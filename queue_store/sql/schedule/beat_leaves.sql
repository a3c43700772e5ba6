-- A beat that shuts down cleanly gives up the lease at once. The row of this beat is kept. The rows of other
-- beats are deleted if they have stopped or have been silent for a week.
WITH gone AS (
    DELETE FROM public.beats
    WHERE beat_id <> %(beat_id)s AND (stopped_at IS NOT NULL OR heartbeat_at < now() - interval '7 days')
), stopped AS (
    UPDATE public.beats SET stopped_at = clock_timestamp() WHERE beat_id = %(beat_id)s
)
UPDATE public.beat_leader SET beat_id = NULL, leads_until = now() WHERE beat_id = %(beat_id)s
