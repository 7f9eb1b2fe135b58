-- Endpoints, triggers, and the outbox as deliveries need them. What 0001 made of these
-- was never written to.
DROP TABLE deliveries;
DROP TABLE events;
DROP TABLE triggers;
DROP TABLE endpoints;

-- Where events are delivered: a webhook or a queue, and how it has behaved.
CREATE TABLE endpoints (
    id           integer PRIMARY KEY,
    account_id   integer NOT NULL REFERENCES accounts,
    name         text    NOT NULL,
    url          text    NOT NULL DEFAULT '',
    queue        text    NOT NULL DEFAULT '',
    -- Kept as it is, for it signs every delivery (Standard Webhooks, symmetric).
    secret       text    NOT NULL,
    -- Failures in a row; past a limit the endpoint is left alone until `paused_until`.
    failures     integer NOT NULL DEFAULT 0,
    paused_until timestamptz,
    -- It answered 410 Gone; `penstock endpoint enable` undoes it.
    disabled_at  timestamptz,
    CONSTRAINT either_url_or_queue CHECK ((url = '') <> (queue = ''))
);

-- Which events go where (contract section 7).
CREATE TABLE triggers (
    id          integer PRIMARY KEY,
    database_id integer NOT NULL REFERENCES databases,
    endpoint_id integer NOT NULL REFERENCES endpoints,
    name        text    NOT NULL,
    event       text    NOT NULL,
    resource_id integer,
    channel     text,
    novelties   text[]  NOT NULL DEFAULT '{}',
    segment_id  integer,
    fields      text[]  NOT NULL DEFAULT '{}'
);

-- The outbox: written in the transaction of the import that caused the event, and only
-- if somebody listens.
CREATE TABLE events (
    id          uuid PRIMARY KEY,
    import_id   uuid NOT NULL,
    database_id integer NOT NULL,
    profile_id  text COLLATE "C" NOT NULL,
    kind        text NOT NULL,
    sequence    integer NOT NULL,
    detail      jsonb NOT NULL,
    created_at  timestamptz NOT NULL,
    CONSTRAINT sequence_is_unique UNIQUE (import_id, sequence)
);
-- For dropping what is past retention.
CREATE INDEX events_created ON events (created_at);

-- One row per event and endpoint; `next_attempt_at` is the truth of retries, and while
-- an attempt is under way, the end of its lease.
CREATE TABLE deliveries (
    event_id        uuid NOT NULL REFERENCES events ON DELETE CASCADE,
    endpoint_id     integer NOT NULL REFERENCES endpoints ON DELETE CASCADE,
    -- The triggers that listened, told to the receiver; one event is one message.
    trigger_ids     integer[] NOT NULL,
    state           text NOT NULL DEFAULT 'pending',
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    delivered_at    timestamptz,
    PRIMARY KEY (event_id, endpoint_id),
    CONSTRAINT state_is_known CHECK (state IN ('pending', 'delivered', 'failed'))
);
-- For claiming what is due at an endpoint, the oldest first.
CREATE INDEX deliveries_due ON deliveries (endpoint_id, next_attempt_at)
    WHERE state = 'pending';

-- Every attempt, kept as long as its event.
CREATE TABLE delivery_attempts (
    event_id     uuid    NOT NULL,
    endpoint_id  integer NOT NULL,
    number       integer NOT NULL,
    attempted_at timestamptz NOT NULL,
    duration_ms  integer NOT NULL,
    -- None where there was no HTTP answer.
    status       integer,
    -- Empty on success.
    error        text    NOT NULL,
    PRIMARY KEY (event_id, endpoint_id, number),
    FOREIGN KEY (event_id, endpoint_id) REFERENCES deliveries ON DELETE CASCADE
);
