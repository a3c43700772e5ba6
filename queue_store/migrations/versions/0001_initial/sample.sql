-- The results that the sample flow writes.

CREATE TABLE processed_surveys (
    id                        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record_id                 bigint NOT NULL,
    respondent_id             integer NOT NULL,
    distance_to_clinton       smallint NOT NULL,
    distance_to_dole          smallint NOT NULL,
    nearest_candidate         text NOT NULL CHECK (nearest_candidate IN ('clinton', 'dole', 'both')),
    income_midpoint_dollars   integer NOT NULL,
    vote_is_consistent        boolean NOT NULL,
    processed_at              timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX processed_surveys_respondent ON processed_surveys (respondent_id);
