-- The catalogue, profiles and how they are found, receipts, and the outbox.
-- Every uniqueness includes the database id, so that tables can be distributed by it.

CREATE TABLE accounts (
    id   integer PRIMARY KEY,
    name text NOT NULL
);

-- One row: its version moves with every change of the catalogue or of a token,
-- so that caches know when to reload.
CREATE TABLE catalog_version (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    version   bigint NOT NULL
);
INSERT INTO catalog_version (version) VALUES (1);

CREATE TABLE databases (
    id                    integer PRIMARY KEY,
    account_id            integer NOT NULL REFERENCES accounts,
    name                  text    NOT NULL,
    -- No foreign key: a resource names its databases, and they are applied together.
    default_resource_id   integer,
    ignore_unknown_fields boolean NOT NULL DEFAULT false
);

-- Custom fields of a database; system fields are code (ingest/domain/fields.py).
CREATE TABLE fields (
    database_id integer NOT NULL REFERENCES databases,
    name        text    NOT NULL,
    type        text    NOT NULL,
    title       text    NOT NULL DEFAULT '',
    required    boolean NOT NULL DEFAULT false,
    default_value jsonb,
    options     text[]  NOT NULL DEFAULT '{}',
    match       boolean NOT NULL DEFAULT false,
    is_unique   boolean NOT NULL DEFAULT false,
    PRIMARY KEY (database_id, name),
    CONSTRAINT unique_implies_match CHECK (match OR NOT is_unique)
);

CREATE TABLE resources (
    id                 integer PRIMARY KEY,
    account_id         integer NOT NULL REFERENCES accounts,
    name               text    NOT NULL,
    url                text    NOT NULL DEFAULT '',
    database_ids       integer[] NOT NULL,
    channels           text[]  NOT NULL,
    categories         text[]  NOT NULL DEFAULT '{}',
    raise_new_priority boolean NOT NULL DEFAULT false
);

-- Custom subscription fields of a resource.
CREATE TABLE resource_fields (
    resource_id integer NOT NULL REFERENCES resources,
    name        text    NOT NULL,
    type        text    NOT NULL,
    title       text    NOT NULL DEFAULT '',
    required    boolean NOT NULL DEFAULT false,
    options     text[]  NOT NULL DEFAULT '{}',
    channels    text[]  NOT NULL DEFAULT '{}',
    PRIMARY KEY (resource_id, name)
);

CREATE TABLE segments (
    id          integer PRIMARY KEY,
    database_id integer NOT NULL REFERENCES databases,
    name        text    NOT NULL,
    kind        text    NOT NULL,
    CONSTRAINT kind_is_known CHECK (kind IN ('static', 'dynamic'))
);

-- API tokens; the secret itself is never stored.
CREATE TABLE tokens (
    id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text   NOT NULL,
    secret_hash  bytea  NOT NULL,
    -- Empty for every database.
    database_ids integer[] NOT NULL DEFAULT '{}',
    actions      text[] NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    revoked_at   timestamptz,
    CONSTRAINT secret_hash_is_unique UNIQUE (secret_hash)
);

CREATE TABLE profiles (
    database_id integer NOT NULL,
    id          text COLLATE "C" NOT NULL,
    email       text,
    phones      text[] NOT NULL DEFAULT '{}',
    -- Canonical values by field name, system and custom.
    fields      jsonb  NOT NULL DEFAULT '{}',
    version     bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (database_id, id),
    CONSTRAINT id_is_24_hex CHECK (id ~ '^[0-9a-f]{24}$')
) WITH (fillfactor = 85);  -- room for HOT updates: no index covers a changing column

-- How profiles are found by their own fields. `kind` is 'email', 'phone' or
-- 'field:' and the name of a field with match = true.
CREATE TABLE match_keys (
    database_id integer NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    value       text COLLATE "C" NOT NULL,
    profile_id  text COLLATE "C" NOT NULL,
    -- Set for emails and for fields with unique = true.
    exclusive   boolean NOT NULL,
    PRIMARY KEY (database_id, kind, value, profile_id)
);
-- The constraint that decides who holds a unique value.
CREATE UNIQUE INDEX match_keys_exclusive
    ON match_keys (database_id, kind, value) WHERE exclusive;

-- One row per subscription. `contact` is canonical and identifies it inside
-- the profile; `contact_data` is how it is read back.
CREATE TABLE subscriptions (
    database_id   integer NOT NULL,
    profile_id    text COLLATE "C" NOT NULL,
    resource_id   integer NOT NULL,
    channel       text COLLATE "C" NOT NULL,
    contact       text COLLATE "C" NOT NULL,
    contact_data  jsonb   NOT NULL,
    status        text    NOT NULL,
    priority      integer NOT NULL,
    custom_fields jsonb   NOT NULL DEFAULT '{}',
    categories    text[]  NOT NULL DEFAULT '{}',
    is_deleted    boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (database_id, profile_id, resource_id, channel, contact)
) WITH (fillfactor = 85);
-- For matching by subscription: email, phone and push modes.
CREATE INDEX subscriptions_contact
    ON subscriptions (database_id, channel, contact)
    WHERE channel IN ('email', 'sms', 'push');

CREATE TABLE segment_members (
    database_id integer NOT NULL,
    profile_id  text COLLATE "C" NOT NULL,
    segment_id  integer NOT NULL,
    added_at    timestamptz NOT NULL,
    PRIMARY KEY (database_id, profile_id, segment_id)
);
-- For listing a segment.
CREATE INDEX segment_members_segment ON segment_members (database_id, segment_id);

-- The receipts, one for every accepted import. Partitioned by day through the
-- time inside the UUIDv7, so that import_id alone is unique and old days can be
-- dropped whole.
CREATE TABLE imports (
    import_id   uuid NOT NULL,
    database_id integer NOT NULL,
    door        text NOT NULL,
    token_id    integer,
    operation   text NOT NULL,
    matching    text NOT NULL,
    matched_by  text,
    state       text NOT NULL,
    error       integer NOT NULL,
    error_text  text NOT NULL,
    -- [{"code", "message", "path"}], all of them, the answered one first.
    faults      jsonb NOT NULL DEFAULT '[]',
    profile_id  text,
    -- {"field path": [old, new]}
    changes     jsonb NOT NULL DEFAULT '{}',
    skipped     jsonb NOT NULL DEFAULT '[]',
    skip_triggers boolean NOT NULL DEFAULT false,
    accepted_at timestamptz NOT NULL,
    started_at  timestamptz NOT NULL,
    applied_at  timestamptz NOT NULL,
    PRIMARY KEY (import_id),
    CONSTRAINT state_is_known
        CHECK (state IN ('created', 'updated', 'unchanged', 'rejected', 'dead')),
    CONSTRAINT success_names_a_profile
        CHECK (error <> 0 OR profile_id IS NOT NULL)
) PARTITION BY RANGE (import_id);
-- Ids whose time no daily partition covers still find a place.
CREATE TABLE imports_default PARTITION OF imports DEFAULT;

-- Imports that could not be applied through a fault of ours, kept whole.
CREATE TABLE dead_letters (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- None when the entry could not be decoded that far.
    import_id   uuid,
    partition   integer NOT NULL,
    entry_id    text   NOT NULL,
    payload     bytea  NOT NULL,
    error       text   NOT NULL,
    traceback   text   NOT NULL,
    created_at  timestamptz NOT NULL,
    -- The same entry read twice is one dead letter.
    CONSTRAINT entry_is_unique UNIQUE (partition, entry_id)
);

-- One row per stream: locked by the drain that works on it, so the lease ends
-- with its connection. `position` is the last entry applied: what may be
-- trimmed, never the proof that an import was applied.
CREATE TABLE partitions (
    partition  integer PRIMARY KEY,
    position   text NOT NULL DEFAULT '0-0',
    drained_at timestamptz
);

-- Where events are delivered.
CREATE TABLE endpoints (
    id          integer PRIMARY KEY,
    account_id  integer NOT NULL REFERENCES accounts,
    url         text NOT NULL,
    disabled_at timestamptz
);

-- Which events go where.
CREATE TABLE triggers (
    id          integer PRIMARY KEY,
    database_id integer NOT NULL REFERENCES databases,
    endpoint_id integer NOT NULL REFERENCES endpoints,
    event       text NOT NULL,
    conditions  jsonb NOT NULL DEFAULT '{}'
);

-- The outbox: written in the transaction of the import that caused the event.
CREATE TABLE events (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    import_id   uuid NOT NULL,
    database_id integer NOT NULL,
    profile_id  text NOT NULL,
    kind        text NOT NULL,
    sequence    integer NOT NULL,
    detail      jsonb NOT NULL,
    created_at  timestamptz NOT NULL
);
-- For reading one import's events in order (contract 14, point 56).
CREATE INDEX events_import ON events (import_id, sequence);

-- One row per attempt's target; `next_attempt_at` is the truth of retries.
CREATE TABLE deliveries (
    event_id        uuid NOT NULL REFERENCES events,
    trigger_id      integer NOT NULL REFERENCES triggers,
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    delivered_at    timestamptz,
    last_error      text,
    PRIMARY KEY (event_id, trigger_id)
);
-- For the sweep of what is due.
CREATE INDEX deliveries_due ON deliveries (next_attempt_at)
    WHERE next_attempt_at IS NOT NULL;
