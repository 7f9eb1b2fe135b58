-- Of several profiles that match an import, the newest may be chosen; and what becomes
-- of an import for which its policy does not decide.
ALTER TABLE databases
    ADD COLUMN otherwise text NOT NULL DEFAULT 'reject',
    ADD CONSTRAINT otherwise_is_known CHECK (otherwise IN ('reject', 'hold')),
    DROP CONSTRAINT on_ambiguous_is_known,
    ADD CONSTRAINT on_ambiguous_is_known
        CHECK (on_ambiguous IN ('reject', 'first', 'oldest', 'newest', 'merge',
                                'hold'));
