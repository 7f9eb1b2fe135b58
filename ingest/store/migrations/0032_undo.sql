-- What undo needs to know of an import beside its changes, and what it did. All of it is
-- absent from nearly every receipt.
ALTER TABLE imports
    -- {"path": function}: what did not set its value. {"upsert": submatch} names a property.
    ADD COLUMN operators jsonb,
    -- {"path": elements or null}: what was sent, and was so already. Where the database
    -- records it.
    ADD COLUMN claims    jsonb,
    -- [{"path", "reason", "by"}]: what was left as it was.
    ADD COLUMN kept      jsonb,
    -- The import that this one took back.
    ADD COLUMN undoes    uuid,
    DROP CONSTRAINT state_is_known,
    ADD CONSTRAINT state_is_known
        CHECK (state IN ('created', 'updated', 'unchanged', 'rejected', 'dead',
                         'removed')) NOT VALID;
ALTER TABLE ledger
    DROP CONSTRAINT state_is_known,
    ADD CONSTRAINT state_is_known
        CHECK (state IN ('accepted', 'unseen', 'created', 'updated', 'unchanged',
                         'rejected', 'dead', 'repeated', 'removed')) NOT VALID;
ALTER TABLE jobs ADD COLUMN removed bigint NOT NULL DEFAULT 0;
-- Whether receipts record what was so already.
ALTER TABLE databases ADD COLUMN claims boolean NOT NULL DEFAULT false;
