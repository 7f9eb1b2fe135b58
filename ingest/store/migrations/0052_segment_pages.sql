-- Not in a transaction: imports go on while the index is built.
--
-- The members of a segment in the order of their ids, page by page, and their number. By
-- an expression: an index by the id itself would tempt the planner to look up by it what
-- the primary key finds.

DROP INDEX CONCURRENTLY IF EXISTS segment_members_page;
CREATE INDEX CONCURRENTLY segment_members_page
    ON segment_members (database_id, segment_id, (profile_id || ''));
DROP INDEX CONCURRENTLY IF EXISTS segment_members_segment;
