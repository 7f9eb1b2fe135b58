-- Subscriptions that people confirm (double opt-in). Workers of the release before store
-- them as they are sent: declare `confirm` once all run this one.
ALTER TABLE resources
    ADD COLUMN IF NOT EXISTS confirm jsonb,
    ADD COLUMN IF NOT EXISTS unconfirmed_days integer;

-- What a person was asked, and may answer by the id and a code that is made of it: no
-- secret is stored.
CREATE TABLE IF NOT EXISTS confirmations (
    -- Made of the import that asked.
    id          uuid        PRIMARY KEY,
    database_id integer     NOT NULL,
    -- The profile that had the subscription then; others may have taken it over since.
    profile_id  text        COLLATE "C" NOT NULL,
    resource_id integer     NOT NULL,
    channel     text        COLLATE "C" NOT NULL,
    contact     text        COLLATE "C" NOT NULL,
    -- 0 for one of which nobody was told.
    attempt     integer     NOT NULL,
    issued_at   timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    -- When the person confirmed.
    used_at     timestamptz,
    -- When the subscription was to be deleted because nobody did.
    swept_at    timestamptz
);
CREATE INDEX IF NOT EXISTS confirmations_contact
    ON confirmations (database_id, profile_id, resource_id, channel, contact, issued_at);
-- For what is waited for in vain.
CREATE INDEX IF NOT EXISTS confirmations_open
    ON confirmations (resource_id, issued_at)
 WHERE used_at IS NULL AND swept_at IS NULL;
-- For retention.
CREATE INDEX IF NOT EXISTS confirmations_expired ON confirmations (expires_at);
