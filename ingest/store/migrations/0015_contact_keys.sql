-- What the profiles of subscriptions are found by, as one value; null for the channels
-- that nothing is matched by. One value, because the planner then has one index to find
-- it by: `database_id`, `channel` and `contact` stand in the primary key too, which
-- costs as much to a planner without statistics and reads a whole database. Inlined in
-- the index and in statements; whatever changes here, the index has to be built anew.
CREATE FUNCTION contact_key(database_id integer, channel text, contact text)
    RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN channel IN ('email', 'sms', 'push')
                THEN database_id::text || ':' || channel || ':' || contact END;

-- Which versions of the libraries made the match keys, and how far those are made anew
-- by others (`penstock keys rebuild`). One row; none before a worker first starts.
CREATE TABLE key_makers (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    -- {"phonenumbers": "9.0.20", ...}; what all keys were made by.
    made_by   jsonb NOT NULL,
    -- The same of the rebuild under way; null when none is.
    making    jsonb,
    -- What is done, and how far: the key of the last row that was looked at.
    step      text NOT NULL DEFAULT '',
    position  jsonb NOT NULL DEFAULT '[]',
    -- Rows looked at since it began, keys made or removed, and keys that another profile
    -- had.
    looked_at bigint NOT NULL DEFAULT 0,
    changed   bigint NOT NULL DEFAULT 0,
    refused   bigint NOT NULL DEFAULT 0
);

-- The index that 0016 replaces serves the workers of the release before, so it stays
-- until they are gone (`penstock doctor` says so). Where nothing was ever applied there
-- are none.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM imports) AND NOT EXISTS (SELECT FROM subscriptions) THEN
        DROP INDEX subscriptions_contact;
    END IF;
END
$$;
