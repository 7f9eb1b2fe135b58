-- The ledger: what came of every entry of the streams, counted in the transaction that
-- decided it, and what was accepted, as the journals in Redis tell it. Counts outlive
-- the receipts.
CREATE TABLE ledger (
    partition   integer NOT NULL,
    database_id integer NOT NULL,
    state       text    NOT NULL,
    -- Of entries; `repeated` are those whose import had been applied before.
    imports     bigint  NOT NULL,
    PRIMARY KEY (partition, database_id, state),
    CONSTRAINT state_is_known
        CHECK (state IN ('accepted', 'unseen', 'created', 'updated', 'unchanged',
                         'rejected', 'dead', 'repeated'))
) WITH (fillfactor = 50);

-- How far each journal has been settled: every import up to `position` is counted as
-- accepted, and has a receipt or is known to be missing.
CREATE TABLE journals (
    partition integer PRIMARY KEY,
    position  text NOT NULL DEFAULT '0-0'
);

-- Accepted imports of which nothing is left: no receipt, no entry, no dead letter.
CREATE TABLE missing_imports (
    import_id   uuid PRIMARY KEY,
    database_id integer NOT NULL,
    partition   integer NOT NULL,
    accepted_at timestamptz NOT NULL
);
