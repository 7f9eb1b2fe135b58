-- Dynamic segments: their filters, and what keeps their members true.

ALTER TABLE databases
    -- Whose days are those of `birthday`.
    ADD COLUMN timezone text NOT NULL DEFAULT 'UTC';

ALTER TABLE segments
    -- The condition of a dynamic segment as a plain tree, its literals canonical. Not
    -- jsonb: its keys stay in the order of the file.
    ADD COLUMN filter json,
    -- Members that come and go as it is built are announced by events.
    ADD COLUMN announce boolean NOT NULL DEFAULT false,
    -- Counts the builds.
    ADD COLUMN revision integer NOT NULL DEFAULT 0,
    -- Its members are not complete yet.
    ADD COLUMN building boolean NOT NULL DEFAULT false;

-- The builds under way, a row each: who locks it builds.
CREATE TABLE segment_builds (
    segment_id  integer PRIMARY KEY REFERENCES segments ON DELETE CASCADE,
    revision    integer NOT NULL,
    -- The last profile that is done.
    after       text COLLATE "C" NOT NULL DEFAULT '',
    -- How many are done, and how many of those were put in and out.
    profiles    bigint NOT NULL DEFAULT 0,
    entries     bigint NOT NULL DEFAULT 0,
    exits       bigint NOT NULL DEFAULT 0,
    -- How many there were about at the start; null before.
    expected    bigint,
    requested_at timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

-- When time alone may next change whether a profile is in a segment.
CREATE TABLE segment_due (
    database_id integer NOT NULL,
    profile_id  text COLLATE "C" NOT NULL,
    segment_id  integer NOT NULL,
    due_at      timestamptz NOT NULL,
    PRIMARY KEY (database_id, profile_id, segment_id)
);
CREATE INDEX segment_due_at ON segment_due (due_at);

-- What an import did not cause has none.
ALTER TABLE events
    ALTER COLUMN import_id DROP NOT NULL,
    ADD COLUMN cause text NOT NULL DEFAULT 'import';
