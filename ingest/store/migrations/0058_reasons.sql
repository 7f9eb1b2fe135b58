-- The reason that an operator gave for an undo, or for a merge of profiles.
ALTER TABLE imports ADD COLUMN reason text;
