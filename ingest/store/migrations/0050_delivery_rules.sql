-- Triggers whose events are sent later, and endpoints that say how fast, how many at
-- once, and how long they may fail. Workers of the release before take no notice of it:
-- declare such triggers and endpoints once all run this one.
ALTER TABLE triggers
    ADD COLUMN IF NOT EXISTS delay text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS recheck boolean NOT NULL DEFAULT false;

-- `failing_since`: every attempt since then has failed; kept only with `disable_after`.
ALTER TABLE endpoints
    ADD COLUMN IF NOT EXISTS rate double precision,
    ADD COLUMN IF NOT EXISTS concurrency integer NOT NULL DEFAULT 16,
    ADD COLUMN IF NOT EXISTS batch integer,
    ADD COLUMN IF NOT EXISTS linger text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS disable_after text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS failing_since timestamptz,
    ADD COLUMN IF NOT EXISTS disabled_reason text NOT NULL DEFAULT '';

-- Of an endpoint with `rate`: when its budget of requests was empty. By itself, for
-- couriers take of it all the time, and a catalog that is being applied holds endpoints.
CREATE TABLE IF NOT EXISTS endpoint_budgets (
    endpoint_id integer PRIMARY KEY REFERENCES endpoints ON DELETE CASCADE,
    empty_at    timestamptz
);

-- Who is told that an endpoint was disabled.
ALTER TABLE accounts ADD COLUMN IF NOT EXISTS notify_id integer;

-- `delayed_until`: before it, nobody attempts it. `recheck`: the condition of its trigger
-- is judged again before it is sent; if that no longer holds, it is skipped. `batch_id`:
-- the request that it is sent with, at each attempt.
ALTER TABLE deliveries
    ADD COLUMN IF NOT EXISTS delayed_until timestamptz,
    ADD COLUMN IF NOT EXISTS recheck boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS batch_id uuid;

-- 0051 proves it for what is there.
ALTER TABLE deliveries DROP CONSTRAINT IF EXISTS state_is_known;
ALTER TABLE deliveries ADD CONSTRAINT state_is_known
    CHECK (state IN ('pending', 'delivered', 'failed', 'skipped')) NOT VALID;

-- That an endpoint was disabled is of no profile.
ALTER TABLE events
    ALTER COLUMN database_id DROP NOT NULL,
    ALTER COLUMN profile_id DROP NOT NULL;
