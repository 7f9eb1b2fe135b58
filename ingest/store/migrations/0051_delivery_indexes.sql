-- Not in a transaction: imports go on while indexes are built.
--
-- The members of batches among the deliveries that wait; and what was skipped, as
-- operators list it. Few, or none.
ALTER TABLE deliveries VALIDATE CONSTRAINT state_is_known;

-- What an attempt that was broken off has left.
DROP INDEX CONCURRENTLY IF EXISTS deliveries_batched;
DROP INDEX CONCURRENTLY IF EXISTS deliveries_skipped;

CREATE INDEX CONCURRENTLY deliveries_batched ON deliveries (endpoint_id, next_attempt_at)
    WHERE state = 'pending' AND batch_id IS NOT NULL;

CREATE INDEX CONCURRENTLY deliveries_skipped ON deliveries (endpoint_id, next_attempt_at)
    WHERE state = 'skipped';
