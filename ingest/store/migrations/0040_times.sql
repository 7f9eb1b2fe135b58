-- When values were written, and by which source: where a database keeps times.
ALTER TABLE databases
    ADD COLUMN times   boolean NOT NULL DEFAULT false,
    -- {"name": rank}
    ADD COLUMN sources jsonb   NOT NULL DEFAULT '{}';

-- What the imports of a token are known as; empty for nothing.
ALTER TABLE tokens ADD COLUMN source text NOT NULL DEFAULT '';

-- {"d": stamp, "f": {"path": stamp}}; NULL for nearly all.
ALTER TABLE profiles ADD COLUMN stamps jsonb;
-- What the survivor's were.
ALTER TABLE merges ADD COLUMN stamps jsonb;
