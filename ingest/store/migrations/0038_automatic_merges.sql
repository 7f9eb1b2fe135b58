-- Of several profiles that match an import, one may be made; and when it may not.
ALTER TABLE databases
    ADD COLUMN merge_keys    text[]  NOT NULL DEFAULT '{email}',
    ADD COLUMN merge_blocked text[]  NOT NULL DEFAULT '{}',
    ADD COLUMN merge_limit   integer NOT NULL DEFAULT 5,
    DROP CONSTRAINT on_ambiguous_is_known,
    ADD CONSTRAINT on_ambiguous_is_known
        CHECK (on_ambiguous IN ('reject', 'first', 'oldest', 'merge'));
