-- Of an import that was held: {"action", "by", "at", "reason"} of its decision.
ALTER TABLE imports ADD COLUMN decision jsonb;
