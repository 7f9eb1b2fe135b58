-- When a segment was built last and when time moved profiles last, and how many. Of what
-- imports move, receipts tell: they would wait for each other at this row.
CREATE TABLE segment_activity (
    segment_id  integer PRIMARY KEY REFERENCES segments ON DELETE CASCADE,
    built_at    timestamptz,
    built_entries bigint NOT NULL DEFAULT 0,
    built_exits bigint NOT NULL DEFAULT 0,
    swept_at    timestamptz,
    -- Of the last transaction that moved some.
    swept_entries bigint NOT NULL DEFAULT 0,
    swept_exits bigint NOT NULL DEFAULT 0
);
