-- What happened in all flows together, minute by minute: always the sum of rollup_minutes. Charts of all flows read it,
-- so that they take as long with a thousand flows as with one.
CREATE TABLE rollup_overall (
    minute               timestamptz PRIMARY KEY,
    enqueued             bigint NOT NULL,
    completed            bigint NOT NULL,
    failed               bigint NOT NULL,
    retried              bigint NOT NULL,
    cancelled            bigint NOT NULL,
    processing_histogram bigint[] NOT NULL,
    wait_histogram       bigint[] NOT NULL
) WITH (fillfactor = 70);

CREATE OR REPLACE FUNCTION refuse_other_tables(relation oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF relation NOT IN ('public.processing_queue'::regclass, 'public.audit_log'::regclass,
        'public.rollup_minutes'::regclass)
    THEN
        RAISE EXCEPTION 'this function belongs to the tables of the queue, not to %', relation::regclass
            USING ERRCODE = 'insufficient_privilege', HINT = 'Write a trigger function of your own.';
    END IF;
END $$;

-- Keeps the sum right, whoever writes to rollup_minutes. Apart from it, only `queuectl repair` writes to rollup_overall.
CREATE FUNCTION sum_minutes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.refuse_other_tables(TG_RELID);
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM public.rollup_overall;
        RETURN NULL;
    END IF;
    EXECUTE format($sum$
        INSERT INTO public.rollup_overall AS o (minute, enqueued, completed, failed, retried, cancelled,
            processing_histogram, wait_histogram)
        SELECT minute, sum(sign * enqueued), sum(sign * completed), sum(sign * failed), sum(sign * retried),
            sum(sign * cancelled),
            CASE WHEN sum(cardinality(p)) > 0 THEN array_replace(ARRAY[
                    sum(sign * p[1]), sum(sign * p[2]), sum(sign * p[3]), sum(sign * p[4]), sum(sign * p[5]), sum(sign * p[6]),
                    sum(sign * p[7]), sum(sign * p[8]), sum(sign * p[9]), sum(sign * p[10]), sum(sign * p[11]), sum(sign * p[12]),
                    sum(sign * p[13]), sum(sign * p[14]), sum(sign * p[15]), sum(sign * p[16]), sum(sign * p[17]), sum(sign * p[18])
                ]::bigint[], NULL, 0) ELSE '{}' END,
            CASE WHEN sum(cardinality(w)) > 0 THEN array_replace(ARRAY[
                    sum(sign * w[1]), sum(sign * w[2]), sum(sign * w[3]), sum(sign * w[4]), sum(sign * w[5]), sum(sign * w[6]),
                    sum(sign * w[7]), sum(sign * w[8]), sum(sign * w[9]), sum(sign * w[10]), sum(sign * w[11]), sum(sign * w[12]),
                    sum(sign * w[13]), sum(sign * w[14]), sum(sign * w[15]), sum(sign * w[16]), sum(sign * w[17]), sum(sign * w[18])
                ]::bigint[], NULL, 0) ELSE '{}' END
        FROM (
            SELECT *, processing_histogram AS p, wait_histogram AS w FROM (%s) changed) named
        GROUP BY minute ORDER BY minute
        ON CONFLICT (minute) DO UPDATE SET enqueued = o.enqueued + excluded.enqueued,
            completed = o.completed + excluded.completed, failed = o.failed + excluded.failed,
            retried = o.retried + excluded.retried, cancelled = o.cancelled + excluded.cancelled,
            processing_histogram = public.add_histograms(o.processing_histogram, excluded.processing_histogram),
            wait_histogram = public.add_histograms(o.wait_histogram, excluded.wait_histogram)
        $sum$, CASE TG_OP WHEN 'INSERT' THEN 'SELECT 1 AS sign, * FROM inserted'
            WHEN 'DELETE' THEN 'SELECT -1 AS sign, * FROM deleted'
            ELSE 'SELECT 1 AS sign, * FROM inserted UNION ALL SELECT -1, * FROM deleted' END);
    IF TG_OP = 'DELETE' THEN
        DELETE FROM public.rollup_overall o WHERE o.minute IN (SELECT minute FROM deleted)
            AND NOT EXISTS (SELECT FROM public.rollup_minutes m WHERE m.minute = o.minute);
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION sum_minutes FROM PUBLIC;

-- Adds up what is there while heartbeats go on folding, because they must not wait for this. Then it locks folding out
-- for a moment and adds up the last hour anew.
INSERT INTO rollup_overall
SELECT minute, sum(enqueued), sum(completed), sum(failed), sum(retried), sum(cancelled),
    public.sum_histograms(processing_histogram), public.sum_histograms(wait_histogram)
FROM rollup_minutes GROUP BY minute;

LOCK TABLE rollup_minutes IN SHARE ROW EXCLUSIVE MODE;
DELETE FROM rollup_overall WHERE minute >= now() - interval '1 hour' OR minute < (SELECT min(minute) FROM rollup_minutes);
INSERT INTO rollup_overall
SELECT minute, sum(enqueued), sum(completed), sum(failed), sum(retried), sum(cancelled),
    public.sum_histograms(processing_histogram), public.sum_histograms(wait_histogram)
FROM rollup_minutes WHERE minute >= now() - interval '1 hour' GROUP BY minute;

CREATE TRIGGER sum_inserted_minutes AFTER INSERT ON rollup_minutes REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION sum_minutes();
CREATE TRIGGER sum_updated_minutes AFTER UPDATE ON rollup_minutes
    REFERENCING NEW TABLE AS inserted OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION sum_minutes();
CREATE TRIGGER sum_deleted_minutes AFTER DELETE ON rollup_minutes REFERENCING OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION sum_minutes();
CREATE TRIGGER sum_truncated_minutes AFTER TRUNCATE ON rollup_minutes
    FOR EACH STATEMENT EXECUTE FUNCTION sum_minutes();
