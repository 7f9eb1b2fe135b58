-- Not in a transaction: imports go on while the index is built.
--
-- The events of one profile reach an endpoint in the order applied. Whatever was written
-- before, and what workers of the release before this one still write, has no place in
-- it: it is delivered as it was, in any order.

-- One for all profiles. Who takes a number holds the lock of the profile until its event
-- is committed, so the numbers of one profile grow in the order applied. Gaps mean
-- nothing. No column's default: the release before inserts in another order.
CREATE SEQUENCE IF NOT EXISTS events_profile_sequence;

ALTER TABLE events ADD COLUMN IF NOT EXISTS profile_sequence bigint;

ALTER SEQUENCE events_profile_sequence OWNED BY events.profile_sequence;

-- Of its event, so that one index finds what is due first of a profile; `profile_key` is
-- its database and its id, under a name that no statement of the release before takes for
-- a column of `events`. `blocked`: an earlier one of the profile is pending, and what
-- becomes of that one makes this due.
ALTER TABLE deliveries
    ADD COLUMN IF NOT EXISTS profile_key text COLLATE "C",
    ADD COLUMN IF NOT EXISTS profile_sequence bigint,
    ADD COLUMN IF NOT EXISTS blocked boolean NOT NULL DEFAULT false;

-- What an attempt that was broken off has left.
DROP INDEX CONCURRENTLY IF EXISTS deliveries_of_profile;

-- For finding the first that is pending of a profile at an endpoint, and for nothing that
-- deliveries_due serves.
CREATE INDEX CONCURRENTLY deliveries_of_profile
    ON deliveries (endpoint_id, profile_key, profile_sequence)
    WHERE state = 'pending' AND profile_key IS NOT NULL;
