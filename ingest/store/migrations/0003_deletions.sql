-- What a deletion has to find by profile: what was said about it, and what was caused.

CREATE INDEX imports_profile ON imports (database_id, profile_id)
    WHERE profile_id IS NOT NULL;
CREATE INDEX events_profile ON events (database_id, profile_id);
