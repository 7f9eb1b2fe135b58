-- What charts and figures are made of: counts of receipts and of attempts to deliver,
-- by the minute and by the hour. Upkeep writes them behind the receipts, once a minute;
-- no import does. Times are the beginnings of minutes and hours (UTC).

-- Receipts by the minute in which they were applied. `token_id` is 0 for none.
CREATE TABLE import_minutes (
    at          timestamptz NOT NULL,
    database_id integer NOT NULL,
    token_id    integer NOT NULL,
    door        text    NOT NULL,
    state       text    NOT NULL,
    imports     bigint  NOT NULL,
    -- When the last one was applied.
    last_at     timestamptz NOT NULL,
    PRIMARY KEY (at, database_id, token_id, door, state)
);
CREATE TABLE import_hours (LIKE import_minutes INCLUDING ALL);

-- The same receipts by the time from their acceptance, as ingest/domain/rollups.py
-- divides it.
CREATE TABLE latency_minutes (
    at      timestamptz NOT NULL,
    bucket  integer NOT NULL,
    imports bigint  NOT NULL,
    PRIMARY KEY (at, bucket)
);
CREATE TABLE latency_hours (LIKE latency_minutes INCLUDING ALL);

-- Attempts to deliver, by the minute in which they began.
CREATE TABLE delivery_minutes (
    at           timestamptz NOT NULL,
    endpoint_id  integer NOT NULL,
    is_delivered boolean NOT NULL,
    -- By duration.
    bucket       integer NOT NULL,
    attempts     bigint  NOT NULL,
    PRIMARY KEY (at, endpoint_id, is_delivered, bucket)
);
CREATE TABLE delivery_hours (LIKE delivery_minutes INCLUDING ALL);

-- The streams as they were once a minute. `accepted` is ever: Redis before 7 does not
-- count it.
CREATE TABLE stream_minutes (
    at             timestamptz PRIMARY KEY,
    accepted       bigint,
    waiting        bigint NOT NULL,
    oldest_seconds double precision
);

-- How far each is counted, and how far nothing can be added any more: the minutes
-- between are counted again.
CREATE TABLE rollups (
    name          text PRIMARY KEY,
    counted_until timestamptz,
    settled_until timestamptz
);
INSERT INTO rollups (name) VALUES ('imports'), ('deliveries');

-- Minutes whose receipts were changed after they were counted, to be counted again. It
-- has no key: those who write to it do not wait for each other.
CREATE TABLE stale_minutes (
    at timestamptz NOT NULL
);
