-- Receipts of imports whose id is made from a producer's name for them, such as a
-- queue message's feedback_id, so that it is the same whenever they arrive. Such ids
-- have their first bit set, which no UUIDv7 has. A table of their own keeps them out
-- of the default one, which is read whole each time a day's table is made.
CREATE TABLE imports_named PARTITION OF imports
    FOR VALUES FROM ('80000000-0000-0000-0000-000000000000') TO (MAXVALUE);
-- For retention; rows come in this order, so that ranges of pages are enough.
CREATE INDEX imports_named_applied ON imports_named USING brin (applied_at);
