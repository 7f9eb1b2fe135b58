-- What tells this installation from every other. The ids of imports that producers
-- name (an Idempotency-Key, a queue's feedback_id) are hashes of those names: with this
-- secret as the hash's key, whoever guesses a name cannot make the id of its receipt.
-- It is made here, once, so that every process has the same; nothing replaces it, since
-- a request that is repeated under its name must have the id that it had before.
CREATE TABLE installation (
    -- One row.
    id          boolean PRIMARY KEY DEFAULT true CHECK (id),
    name_secret bytea NOT NULL CHECK (length(name_secret) = 32),
    -- Ids are made with the secret from this moment on, and without it before. Where
    -- there are imports already, the release before this one may still be running
    -- beside it: it does not know the secret, and one name must not have two ids.
    sealed_from timestamptz NOT NULL
);
INSERT INTO installation (name_secret, sealed_from)
-- Two random UUIDs have 244 random bits; they come from the server's strong source.
SELECT sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')),
       now() + CASE WHEN EXISTS (SELECT FROM imports) THEN interval '1 day'
                    ELSE interval '0' END;
