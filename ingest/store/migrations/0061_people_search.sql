-- What people are found by when a part of it is typed: names, emails, phones, folded.
-- Upkeep writes it behind the receipts, never an import; its index is made once the
-- extension pg_trgm is there. A profile that goes takes its row along.
CREATE TABLE people_search (
    database_id integer NOT NULL,
    profile_id  text COLLATE "C" NOT NULL,
    text        text NOT NULL,
    PRIMARY KEY (database_id, profile_id),
    FOREIGN KEY (database_id, profile_id)
        REFERENCES profiles (database_id, id) ON DELETE CASCADE
);

-- How far it is: one row, which whoever works on it locks.
CREATE TABLE people_search_progress (
    singleton     boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    -- The index is there.
    indexed       boolean NOT NULL DEFAULT false,
    -- Receipts up to this turn are in.
    turn          bigint  NOT NULL DEFAULT 0,
    -- Those up to this one are next, once the transactions before this one have ended:
    -- turns are drawn before they are committed.
    next_turn     bigint,
    next_after    xid8,
    next_at       timestamptz,
    -- When it was as the profiles were; NULL before.
    caught_up_at  timestamptz,
    -- The last of the profiles from before; NULL once all are in.
    fill_database integer DEFAULT 0,
    fill_after    text COLLATE "C" NOT NULL DEFAULT '',
    filled        bigint  NOT NULL DEFAULT 0,
    -- How many there were about at the start.
    expected      bigint  NOT NULL DEFAULT 0
);
INSERT INTO people_search_progress DEFAULT VALUES;
