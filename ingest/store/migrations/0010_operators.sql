-- What operators look for: the latest imports, those that failed, a profile's history,
-- and deliveries that were given up.

-- For the latest imports, in the order applied. Rows come in this order, so that an
-- insert touches the last page only.
CREATE INDEX imports_applied ON imports (applied_at, import_id);
-- The same for those that failed: among a million others, they are found at once.
CREATE INDEX imports_failed ON imports (applied_at, import_id) WHERE error <> 0;

-- A profile's history in its order; finds by profile what 0003's index found.
CREATE INDEX imports_history
    ON imports (database_id, profile_id, applied_at, import_id)
    WHERE profile_id IS NOT NULL;
DROP INDEX imports_profile;

-- For counting and listing what was given up; the pending ones have deliveries_due.
CREATE INDEX deliveries_failed ON deliveries (endpoint_id, next_attempt_at)
    WHERE state = 'failed';
