-- One row for each one-COMMIT slice, from its first statement to its last: nobody else ever sees it. Its deferred trigger
-- lets COMMIT and PREPARE TRANSACTION fail while the slice is open, so that a handler cannot commit the records before it
-- without their outcomes. SET CONSTRAINTS ALL IMMEDIATE fires the trigger too, and passes.
CREATE UNLOGGED TABLE open_slices (opened_at timestamptz NOT NULL DEFAULT now());

CREATE FUNCTION refuse_to_commit_an_open_slice() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF current_setting('processing_queue.open_slice', true) <> '' AND current_query() ~* '\m(commit|end|prepare)\M' THEN
        RAISE EXCEPTION 'a handler must not commit the transaction that it was given'
            USING ERRCODE = 'PQ002', HINT = 'Let the handler return: its rows and its outcome are committed together.';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER refuse_to_commit_an_open_slice AFTER INSERT ON open_slices DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION refuse_to_commit_an_open_slice();
