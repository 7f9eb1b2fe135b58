-- Of several profiles that match an import, the oldest may be chosen.
ALTER TABLE databases
    DROP CONSTRAINT on_ambiguous_is_known,
    ADD CONSTRAINT on_ambiguous_is_known
        CHECK (on_ambiguous IN ('reject', 'first', 'oldest'));
