-- The order in which imports were applied. All of a batch are applied at one moment, the
-- ids of named ones have no order, and hosts differ in what time it is. A turn is drawn
-- with the receipt, while the profile that it is about is locked: of two imports of one
-- profile, the later one has the greater turn. Whichever release writes the receipt.
CREATE SEQUENCE turns;
-- Null for receipts from before, which have no order but that of `applied_at`. Two
-- statements: a column that is added with this default is written into every row.
ALTER TABLE imports ADD COLUMN turn bigint;
ALTER TABLE imports ALTER COLUMN turn SET DEFAULT nextval('turns');
