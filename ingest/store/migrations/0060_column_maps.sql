-- What the columns of a file became, and how it was read, for the next file with the
-- same columns: of each database, the last import that told it.
CREATE TABLE column_maps (
    database_id integer NOT NULL REFERENCES databases ON DELETE CASCADE,
    -- Hash of the columns' names, in their order.
    header      text    NOT NULL,
    -- Hash of the bytes of the header: it is known before the encoding is.
    head        text    NOT NULL,
    columns     text[]  NOT NULL,
    parameters  jsonb   NOT NULL,
    -- The file and the job by which it was told, and when.
    file        text    NOT NULL,
    job_id      uuid    NOT NULL,
    told_at     timestamptz NOT NULL,
    PRIMARY KEY (database_id, header)
);
-- For the file whose first line is read, and nothing else.
CREATE INDEX column_maps_head ON column_maps (database_id, head, told_at);
-- For the newest ones, and to drop what is too old.
CREATE INDEX column_maps_told_at ON column_maps (database_id, told_at);
