-- Secrets that a rotation replaced, good for as long as their holders need to change.
CREATE TABLE retired_secrets (
    secret_hash bytea       PRIMARY KEY,
    token_id    integer     NOT NULL REFERENCES tokens (id),
    good_until  timestamptz NOT NULL
);
