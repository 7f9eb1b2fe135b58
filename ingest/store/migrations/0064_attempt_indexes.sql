-- Not in a transaction: deliveries go on while indexes are built.
--
-- Attempts of an endpoint in the order in which they began, to be counted, and to find
-- the last that failed and the last that did not. Each attempt is in one of the two.

-- What an attempt that was broken off has left.
DROP INDEX CONCURRENTLY IF EXISTS delivery_attempts_good;
DROP INDEX CONCURRENTLY IF EXISTS delivery_attempts_failed;

CREATE INDEX CONCURRENTLY delivery_attempts_good
    ON delivery_attempts (endpoint_id, attempted_at) WHERE error = '';

CREATE INDEX CONCURRENTLY delivery_attempts_failed
    ON delivery_attempts (endpoint_id, attempted_at) WHERE error <> '';
