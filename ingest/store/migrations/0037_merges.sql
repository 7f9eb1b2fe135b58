-- {"path": [values]}: what merged profiles were found by, and their survivor has not.
ALTER TABLE profiles ADD COLUMN former_keys jsonb;

-- The ids of merged profiles: each leads to a profile that there is.
CREATE TABLE profile_aliases (
    database_id integer NOT NULL,
    alias_id    text COLLATE "C" NOT NULL,
    profile_id  text COLLATE "C" NOT NULL,
    -- The merge that ended it; NULL where it came with an export.
    merge_id    uuid,
    PRIMARY KEY (database_id, alias_id)
);
-- For the former ids of a profile.
CREATE INDEX profile_aliases_profile ON profile_aliases (database_id, profile_id);

-- Merges of profiles, as long as their receipts are kept.
CREATE TABLE merges (
    -- The import that merged them.
    merge_id    uuid PRIMARY KEY,
    database_id integer NOT NULL,
    survivor_id text COLLATE "C" NOT NULL,
    -- What the other profiles were, whole; NULL once they are back.
    before      jsonb,
    -- {"alias": profile}: the former ids that they had.
    aliases     jsonb NOT NULL DEFAULT '{}',
    merged_at   timestamptz NOT NULL,
    -- The import that parted them.
    undone_by   uuid
);
-- For what is past retention.
CREATE INDEX merges_merged_at ON merges (merged_at);

-- The profiles of each, the survivor too.
CREATE TABLE merged_profiles (
    database_id integer NOT NULL,
    profile_id  text COLLATE "C" NOT NULL,
    merge_id    uuid NOT NULL REFERENCES merges ON DELETE CASCADE,
    PRIMARY KEY (database_id, profile_id, merge_id)
);
CREATE INDEX merged_profiles_merge ON merged_profiles (merge_id);

-- The profiles that a merge ended, or that its undo brought back.
ALTER TABLE imports ADD COLUMN profiles text[];

-- The rule for a field that merged profiles have; empty for that of its type.
ALTER TABLE fields ADD COLUMN merge text NOT NULL DEFAULT '';
