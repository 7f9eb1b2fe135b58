-- Files that were uploaded to the console, to be imported there. Their bytes are in its
-- spool directory, under their ids.
CREATE TABLE uploads (
    id         uuid        PRIMARY KEY,
    -- Who uploaded it, and may see it.
    token_id   integer     NOT NULL,
    name       text        NOT NULL,
    -- Of an archive, the file in it; empty where it is none.
    member     text        NOT NULL,
    bytes      bigint      NOT NULL,
    -- What was answered on its page: the inputs of a form.
    answers    jsonb       NOT NULL DEFAULT '{}',
    -- Its last dry run, and its import.
    dry_run_id uuid,
    job_id     uuid,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX uploads_by_expiry ON uploads (expires_at);
