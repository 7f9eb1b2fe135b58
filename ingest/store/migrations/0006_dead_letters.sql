-- Dead letters are grouped by what went wrong and where, and resolved by an operator.

-- The innermost of our functions that a traceback names, without its line, which moves
-- with each release: 'workers/apply.py _apply'. Empty where there is no traceback.
CREATE FUNCTION letter_place(traceback text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(
        (
            SELECT found[1] || ' ' || found[2]
              FROM regexp_match(
                       traceback,
                       '.*File "[^"]*((?:ingest|workers)(?:/[a-z0-9_]+)+\.py)", '
                       'line [0-9]+, in (\S+)'
                   ) AS found
        ),
        ''
    );

-- Generated, so that old rows and those of workers still running the release before
-- have them too.
ALTER TABLE dead_letters
    ADD COLUMN error_class text NOT NULL
        GENERATED ALWAYS AS (split_part(error, ':', 1)) STORED,
    ADD COLUMN place text NOT NULL
        GENERATED ALWAYS AS (letter_place(traceback)) STORED,
    ADD COLUMN fingerprint text NOT NULL
        GENERATED ALWAYS AS (
            left(md5(split_part(error, ':', 1) || ' ' || letter_place(traceback)), 12)
        ) STORED,
    -- None where the entry could not be decoded that far.
    ADD COLUMN database_id integer,
    -- How often it was applied again and died again.
    ADD COLUMN replays     integer NOT NULL DEFAULT 0,
    ADD COLUMN resolved_at timestamptz,
    ADD COLUMN resolution  text,
    -- Who resolved it, as the system knows them, and why.
    ADD COLUMN resolved_by text,
    ADD COLUMN reason      text,
    ADD CONSTRAINT resolution_is_known
        CHECK (resolution IN ('replayed', 'dropped')),
    ADD CONSTRAINT resolution_has_a_time
        CHECK ((resolution IS NULL) = (resolved_at IS NULL));

UPDATE dead_letters
   SET database_id = imports.database_id
  FROM imports
 WHERE imports.import_id = dead_letters.import_id;

-- For listing what is open, group by group.
CREATE INDEX dead_letters_open ON dead_letters (fingerprint, created_at)
    WHERE resolved_at IS NULL;
-- For retention.
CREATE INDEX dead_letters_resolved ON dead_letters (resolved_at)
    WHERE resolved_at IS NOT NULL;
-- For finding a letter by its import.
CREATE INDEX dead_letters_import ON dead_letters (import_id)
    WHERE import_id IS NOT NULL;
