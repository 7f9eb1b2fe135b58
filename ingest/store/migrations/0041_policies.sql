-- Of several profiles that match an import, the newest may be chosen.
ALTER TABLE databases
    DROP CONSTRAINT on_ambiguous_is_known,
    ADD CONSTRAINT on_ambiguous_is_known
        CHECK (on_ambiguous IN ('reject', 'first', 'oldest', 'newest', 'merge',
                                'hold'));
