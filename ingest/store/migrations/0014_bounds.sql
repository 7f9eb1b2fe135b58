-- A key that is too long for the index is kept by its digest, and so is one that could be
-- taken for a digest (ingest/domain/fields.py). Long keys that were stored before are those
-- that happened to compress well. One pass over the table, which locks these rows only.
UPDATE match_keys
   SET value = 'sha256:' || encode(sha256(convert_to(value, 'UTF8')), 'hex')
 WHERE octet_length(value) > 2048
    OR starts_with(value, 'sha256:');

-- How often a partition's first entries were tried since its last commit. A sequence counts
-- what is rolled back, and what a crash ends, and writes next to nothing; `attempts` is
-- what it said at the last commit.
ALTER TABLE partitions ADD COLUMN attempts bigint NOT NULL DEFAULT 0;

CREATE FUNCTION attempts_sequence(partition integer) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN 'attempts_of_partition_' || partition;

-- For whoever adds partitions.
CREATE PROCEDURE make_attempts_sequences() LANGUAGE plpgsql AS $$
DECLARE
    missing text;
BEGIN
    IF NOT EXISTS (
        SELECT FROM partitions WHERE to_regclass(attempts_sequence(partition)) IS NULL
    ) THEN
        RETURN;
    END IF;
    -- Several workers start at once (the space of ingest/store/database.py).
    PERFORM pg_advisory_xact_lock(1885695603, 14);
    FOR missing IN
        SELECT attempts_sequence(partition)
          FROM partitions
         WHERE to_regclass(attempts_sequence(partition)) IS NULL
    LOOP
        EXECUTE format('CREATE SEQUENCE IF NOT EXISTS %I', missing);
    END LOOP;
END
$$;
CALL make_attempts_sequences();
