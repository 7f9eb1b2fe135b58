-- Where numbers without a country code are read; without it they are international.
ALTER TABLE databases ADD COLUMN phone_region text;
-- What an import was applied in spite of, in the form of `faults`; null for nothing.
ALTER TABLE imports ADD COLUMN warnings jsonb;
