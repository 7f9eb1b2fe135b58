-- The rows of a job that is a dry run have no receipts: their outcomes are kept here.
ALTER TABLE job_rows ADD COLUMN outcome jsonb;
COMMENT ON COLUMN job_rows.outcome IS
    'What would have come of a row, in a dry run: state, and profile_id if it has one.';
