-- Imports of whole files: one row a file, resumed where it stopped. The receipts of its
-- rows are the ids that follow its own (ingest/domain/jobs.py), so that they are read,
-- counted and dropped as a range of the primary key of `imports`.
CREATE TABLE jobs (
    id              uuid PRIMARY KEY,
    -- The file's path, or what the upload calls itself.
    name            text NOT NULL,
    database_id     integer NOT NULL,
    -- None for the command line.
    token_id        integer,
    idempotency_key text,
    -- What was asked of every row, for a reader; and what a second upload must repeat.
    parameters      jsonb NOT NULL,
    -- How the rows are written, so that the rejects are written alike.
    form            jsonb NOT NULL DEFAULT '{}',
    -- Of the whole file, where it could be read before it began.
    fingerprint     text,
    state           text NOT NULL DEFAULT 'running',
    -- Why it failed; empty otherwise.
    error_text      text NOT NULL DEFAULT '',
    -- Rows that are accepted, or rejected before that.
    rows            bigint NOT NULL DEFAULT 0,
    -- Of these, the first so many are counted below; where a resume goes on.
    settled         bigint NOT NULL DEFAULT 0,
    -- Of the settled rows, so that a changed file is noticed.
    digest          text NOT NULL DEFAULT '',
    bytes           bigint NOT NULL DEFAULT 0,
    -- None where it cannot be known.
    total_bytes     bigint,
    created         bigint NOT NULL DEFAULT 0,
    updated         bigint NOT NULL DEFAULT 0,
    unchanged       bigint NOT NULL DEFAULT 0,
    rejected        bigint NOT NULL DEFAULT 0,
    dead            bigint NOT NULL DEFAULT 0,
    cancelled_at    timestamptz,
    created_at      timestamptz NOT NULL,
    -- Moves every few seconds while rows are read.
    updated_at      timestamptz NOT NULL,
    finished_at     timestamptz,
    CONSTRAINT state_is_known CHECK (state IN
        ('running', 'interrupted', 'applying', 'done', 'cancelled', 'failed')),
    CONSTRAINT settled_in_order CHECK (settled <= rows)
);
-- A repeated upload is the same job.
CREATE UNIQUE INDEX jobs_idempotency_key ON jobs (token_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
-- For finding the job to resume; the newest of a name.
CREATE INDEX jobs_name ON jobs (database_id, name, id);

-- Rows of jobs as they were written: those that were rejected, kept to be corrected;
-- and those of which nobody waited to hear what came of them.
CREATE TABLE job_rows (
    -- Whether it was accepted or not: the job's id and the row's number.
    import_id uuid PRIMARY KEY,
    content   bytea NOT NULL,
    -- Why it was not accepted; None where its receipt says what came of it.
    faults    jsonb
);
