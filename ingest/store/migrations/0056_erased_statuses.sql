-- The statuses of people whose profiles were deleted, where their contacts went on a
-- suppression list: what they had said can still be proved to whoever names the contact.
CREATE TABLE erased_statuses (
    -- As suppression lists have it: no contact.
    hash        bytea       NOT NULL,
    database_id integer     NOT NULL,
    resource_id integer     NOT NULL,
    channel     text        NOT NULL,
    status      text        NOT NULL,
    -- NULL where nobody knows.
    since       timestamptz,
    -- NULL for the one that held.
    until       timestamptz,
    -- False for what was said too late to hold.
    applied     boolean     NOT NULL,
    erased_at   timestamptz NOT NULL
);
CREATE INDEX erased_statuses_hash ON erased_statuses (hash);
CREATE INDEX erased_statuses_erased_at ON erased_statuses (erased_at);
