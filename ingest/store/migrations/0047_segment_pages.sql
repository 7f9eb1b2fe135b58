-- Not in a transaction: imports go on while the index is built.
--
-- The members of a segment in the order of their ids, page by page, and their number. By
-- an expression, and without the database: an index of columns that the primary key has
-- as well would tempt the planner to look up by it what that finds.

DROP INDEX CONCURRENTLY IF EXISTS segment_members_page;
CREATE INDEX CONCURRENTLY segment_members_page
    ON segment_members (segment_id, (profile_id || ''));
DROP INDEX CONCURRENTLY IF EXISTS segment_members_segment;
