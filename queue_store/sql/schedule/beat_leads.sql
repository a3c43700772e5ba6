-- Notes that a beat is alive. Takes or renews the lease for this beat, unless another beat holds the lease. A lease
-- that ends more than a minute later than a new one is over: the database's clock stepped back. Returns whether this
-- beat leads, and the time by the database's clock.
WITH here AS (
    INSERT INTO public.beats AS b (beat_id, hostname, pid, ticks)
    VALUES (%(beat_id)s, %(hostname)s, %(pid)s, %(ticks)s)
    ON CONFLICT (beat_id) DO UPDATE
        SET heartbeat_at = clock_timestamp(), ticks = EXCLUDED.ticks, stopped_at = NULL
), leader AS (
    UPDATE public.beat_leader
    SET beat_id = %(beat_id)s, leads_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
    WHERE beat_id = %(beat_id)s OR beat_id IS NULL OR leads_until < clock_timestamp()
        OR leads_until > clock_timestamp() + make_interval(secs => %(lease_seconds)s + 60)
    RETURNING beat_id
)
SELECT EXISTS (SELECT FROM leader), clock_timestamp()
