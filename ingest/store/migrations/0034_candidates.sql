-- The profiles that an ambiguous import matched, or that hold a unique value of it:
-- [{"profile_id", "keys": [{"kind", "path"}]}]. Paths of the request, never the values.
ALTER TABLE imports ADD COLUMN candidates jsonb;
