-- What becomes of an import that several profiles match, unless it says.
ALTER TABLE databases
    ADD COLUMN on_ambiguous text NOT NULL DEFAULT 'reject',
    ADD CONSTRAINT on_ambiguous_is_known CHECK (on_ambiguous IN ('reject', 'first'));
