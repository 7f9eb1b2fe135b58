-- Not in a transaction: imports go on while the index is built.
--
-- The members of a segment in the order of their ids, page by page, and their number.
-- Without the database, which a segment has one of: whoever looks for a profile by its
-- database and id is then never led here.

DROP INDEX CONCURRENTLY IF EXISTS segment_members_page;
CREATE INDEX CONCURRENTLY segment_members_page
    ON segment_members (segment_id, profile_id);
DROP INDEX CONCURRENTLY IF EXISTS segment_members_segment;
