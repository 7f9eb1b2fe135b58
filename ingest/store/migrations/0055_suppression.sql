-- Suppression lists: hashes of contacts that are not to be written to. Workers of the
-- release before take no notice of them: declare lists once all run this one.
CREATE TABLE suppression_lists (
    id           integer PRIMARY KEY,
    account_id   integer NOT NULL REFERENCES accounts,
    name         text    NOT NULL,
    -- Empty for all.
    resource_ids integer[] NOT NULL DEFAULT '{}',
    channels     text[]  NOT NULL DEFAULT '{}',
    action       text    NOT NULL,
    status       text    NOT NULL,
    -- Whether there was ever an entry; workers ask for none before.
    filled       boolean NOT NULL DEFAULT false,
    -- How many entries there were a moment ago.
    entries      bigint  NOT NULL DEFAULT 0
);

ALTER TABLE databases
    ADD COLUMN forget_list_id integer;
ALTER TABLE resources
    ADD COLUMN suppress_on text[] NOT NULL DEFAULT '{}',
    ADD COLUMN suppress_list_id integer;

-- A table that is stolen is no dictionary: the key of the hashes is not in the database.
CREATE TABLE suppressed (
    list_id    integer NOT NULL REFERENCES suppression_lists ON DELETE CASCADE,
    hash       bytea   NOT NULL,
    reason     text    NOT NULL DEFAULT '',
    source     text    NOT NULL DEFAULT '',
    added_at   timestamptz NOT NULL,
    -- NULL for never.
    expires_at timestamptz,
    PRIMARY KEY (list_id, hash)
);
CREATE INDEX suppressed_expires_at ON suppressed (expires_at)
    WHERE expires_at IS NOT NULL;

-- Stored subscriptions that an addition has still to lower: those of a contact, or,
-- where only its hash is known (channel and contact are NULL), those of all profiles.
CREATE TABLE suppression_work (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    list_id      integer NOT NULL REFERENCES suppression_lists ON DELETE CASCADE,
    channel      text,
    contact      text,
    requested_at timestamptz NOT NULL
);
CREATE INDEX suppression_work_scans ON suppression_work (list_id)
    WHERE channel IS NULL;

-- The profiles that are looked through for the contacts of a list, in their order.
CREATE TABLE suppression_scans (
    list_id      integer PRIMARY KEY REFERENCES suppression_lists ON DELETE CASCADE,
    -- The last profile that is done; NULL and empty at the start.
    database_id  integer,
    after        text COLLATE "C" NOT NULL DEFAULT '',
    profiles     bigint NOT NULL DEFAULT 0,
    -- Imports that are to lower statuses.
    imports      bigint NOT NULL DEFAULT 0,
    requested_at timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
);

-- With which key the hashes were made: another would find nobody.
CREATE TABLE suppression_key (
    id          boolean PRIMARY KEY DEFAULT true CHECK (id),
    fingerprint bytea NOT NULL
);
