-- Imports that several profiles match, until an operator decides.
CREATE TABLE held_imports (
    import_id   uuid PRIMARY KEY,
    database_id integer NOT NULL,
    -- The same for imports with the same candidates: they are decided together.
    case_id     uuid NOT NULL,
    partition   integer NOT NULL,
    entry_id    text NOT NULL,
    payload     bytea NOT NULL,
    accepted_at timestamptz NOT NULL,
    held_at     timestamptz NOT NULL
);
-- For the imports of a case, in the order in which they are applied.
CREATE INDEX held_imports_case ON held_imports (case_id, accepted_at);
-- For those that nobody decides.
CREATE INDEX held_imports_accepted_at ON held_imports (accepted_at);

CREATE TABLE held_candidates (
    database_id integer NOT NULL,
    profile_id  text COLLATE "C" NOT NULL,
    import_id   uuid NOT NULL REFERENCES held_imports ON DELETE CASCADE,
    PRIMARY KEY (database_id, profile_id, import_id)
);
CREATE INDEX held_candidates_import ON held_candidates (import_id);

ALTER TABLE imports
    DROP CONSTRAINT state_is_known,
    ADD CONSTRAINT state_is_known
        CHECK (state IN ('created', 'updated', 'unchanged', 'rejected', 'dead',
                         'removed', 'held')) NOT VALID,
    DROP CONSTRAINT success_names_a_profile,
    ADD CONSTRAINT success_names_a_profile
        CHECK (error <> 0 OR profile_id IS NOT NULL OR state = 'held') NOT VALID;
ALTER TABLE ledger
    DROP CONSTRAINT state_is_known,
    ADD CONSTRAINT state_is_known
        CHECK (state IN ('accepted', 'unseen', 'created', 'updated', 'unchanged',
                         'rejected', 'dead', 'repeated', 'removed', 'held')) NOT VALID;
ALTER TABLE jobs ADD COLUMN held bigint NOT NULL DEFAULT 0;
ALTER TABLE databases
    DROP CONSTRAINT on_ambiguous_is_known,
    ADD CONSTRAINT on_ambiguous_is_known
        CHECK (on_ambiguous IN ('reject', 'first', 'oldest', 'merge', 'hold'));
