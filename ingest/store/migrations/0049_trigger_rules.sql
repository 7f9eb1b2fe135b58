-- Triggers that say when, with what, and how often. Workers of the release before take no
-- notice of it: declare such triggers once all run this one.
ALTER TABLE triggers
    ADD COLUMN IF NOT EXISTS "when" json,
    ADD COLUMN IF NOT EXISTS was json,
    ADD COLUMN IF NOT EXISTS include text[] NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS statuses text[] NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS from_statuses text[] NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS once boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS every text NOT NULL DEFAULT '';

-- The profile as it was after the import, as far as somebody gets it; and which members
-- of it an endpoint gets. NULL for most.
ALTER TABLE events ADD COLUMN IF NOT EXISTS profile jsonb;
ALTER TABLE deliveries ADD COLUMN IF NOT EXISTS include text[];

-- When a trigger that fires once, or once in a while, fired last for a profile.
CREATE TABLE IF NOT EXISTS trigger_marks (
    trigger_id  integer NOT NULL,
    database_id integer NOT NULL,
    profile_id  text COLLATE "C" NOT NULL,
    fired_at    timestamptz NOT NULL,
    PRIMARY KEY (database_id, profile_id, trigger_id)
);
