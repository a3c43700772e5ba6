-- The audit log is sealed. Its rows are numbered without a gap, and the seal of each row is a digest of that row and of
-- the previous row's seal. So maintenance/integrity/broken_seals.sql finds rows that were deleted, changed or inserted
-- in between. Seals reveal mistakes and changes by hand. They do not protect against the owner of the tables, who could
-- seal all rows again.

CREATE TABLE audit_log (
    id                        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at                        timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor                     text NOT NULL,
    action                    text NOT NULL,
    target                    text NOT NULL,
    affected_count            bigint NOT NULL,
    details                   jsonb NOT NULL DEFAULT '{}',
    login                     text NOT NULL DEFAULT session_user,
    number                    bigint,
    seal                      bytea
);
CREATE INDEX audit_log_at ON audit_log (at);
CREATE UNIQUE INDEX audit_log_number ON audit_log (number);

-- Holds one row: the number and seal of the newest audit row, and of the last audit row that retention deleted.
CREATE TABLE audit_seal (
    only_row                  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    number                    bigint NOT NULL DEFAULT 0,
    seal                      bytea NOT NULL DEFAULT '',
    purged_number             bigint NOT NULL DEFAULT 0,
    purged_seal               bytea NOT NULL DEFAULT ''
);
INSERT INTO audit_seal DEFAULT VALUES;

CREATE FUNCTION seal_of(seal_before bytea, sealed audit_log) RETURNS bytea
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256($1 || convert_to(jsonb_build_array(($2).number, extract(epoch FROM ($2).at), ($2).login, ($2).actor,
        ($2).action, ($2).target, ($2).affected_count, ($2).details)::text, 'UTF8'))
$$;

-- Numbers and seals a new audit row. Sets `login` to the session's login, unless that login has the rights of the
-- table's owner. The lock on the row of audit_seal is held until COMMIT, so a transaction that changes something writes
-- its audit row last.
CREATE FUNCTION seal_audit() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    newest public.audit_seal;
BEGIN
    PERFORM public.refuse_other_tables(TG_RELID);
    SELECT * INTO STRICT newest FROM public.audit_seal FOR NO KEY UPDATE;
    IF NOT pg_has_role(session_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        NEW.login := session_user;  -- the owner brings back rows of others, from a backup
    END IF;
    NEW.number := newest.number + 1;
    NEW.seal := public.seal_of(newest.seal, NEW);
    UPDATE public.audit_seal SET number = NEW.number, seal = NEW.seal;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION seal_audit FROM PUBLIC;
CREATE TRIGGER seal_audit BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION seal_audit();

-- Numbers and seals all existing rows again, and adds an audit row that names the problems found before (`found`).
-- Losses and changes from before this call can no longer be detected afterwards.
CREATE FUNCTION seal_audit_anew(who text, found jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sealed public.audit_log;
    newest public.audit_seal;
BEGIN
    LOCK TABLE public.audit_log IN SHARE ROW EXCLUSIVE MODE;
    UPDATE public.audit_seal SET number = 0, seal = '', purged_number = 0, purged_seal = '' RETURNING * INTO newest;
    UPDATE public.audit_log SET number = NULL;
    FOR sealed IN SELECT * FROM public.audit_log ORDER BY id LOOP
        newest.number := newest.number + 1;
        sealed.number := newest.number;
        newest.seal := public.seal_of(newest.seal, sealed);
        UPDATE public.audit_log a SET number = newest.number, seal = newest.seal WHERE a.id = sealed.id;
    END LOOP;
    UPDATE public.audit_seal SET number = newest.number, seal = newest.seal;
    INSERT INTO public.audit_log (actor, action, target, affected_count, details)
    VALUES ($1, 'seal anew', 'audit_log', newest.number, jsonb_build_object('found', $2));
END $$;
REVOKE ALL ON FUNCTION seal_audit_anew FROM PUBLIC;

-- Deletes the oldest audit rows, at most `most`, and returns how many it deleted. Keeps the rows of the last day, even
-- if `older_than` is shorter. Logins other than the owner of the table can delete audit rows only by this function.
CREATE FUNCTION purge_audit(older_than interval, most bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last_number bigint;
    purged_count bigint;
BEGIN
    PERFORM FROM public.audit_seal FOR NO KEY UPDATE;
    SELECT max(old.number) INTO last_number FROM (
        SELECT a.number FROM public.audit_log a
        WHERE a.number < coalesce(
            (SELECT min(young.number) FROM public.audit_log young
                WHERE young.at >= now() - greatest($1, interval '1 day')), 9223372036854775807)
        ORDER BY a.number LIMIT $2) old;
    UPDATE public.audit_seal s SET purged_number = a.number, purged_seal = a.seal
    FROM public.audit_log a WHERE a.number = last_number;
    DELETE FROM public.audit_log a WHERE a.number <= last_number;
    GET DIAGNOSTICS purged_count = ROW_COUNT;
    RETURN purged_count;
END $$;
REVOKE ALL ON FUNCTION purge_audit FROM PUBLIC;
