-- What a list of jobs shows beside their counts: how many rows there will be, since when
-- they are read, and what was wrong with those that were rejected, counted by kind.
ALTER TABLE jobs
    -- About how many rows there are; None where it cannot be known.
    ADD COLUMN estimated_rows bigint,
    -- When the rows were begun to be read, the last time, and how many were settled.
    ADD COLUMN started_at     timestamptz,
    ADD COLUMN started_rows   bigint NOT NULL DEFAULT 0,
    -- Of the settled rows: how many have faults, and the kinds of these (FaultCounts).
    -- None for a job of a release without them: its rows are looked at.
    ADD COLUMN faults         jsonb;
