-- Policies for statuses (C3 to C5): NULL is without a word, and then files alone are
-- guarded.
ALTER TABLE databases
    ADD COLUMN consent text,
    ADD CONSTRAINT consent_is_known CHECK (consent IN ('open', 'guarded', 'strict'));
ALTER TABLE resources
    ADD COLUMN consent          text,
    ADD COLUMN consent_requires text[]  NOT NULL DEFAULT '{}',
    ADD COLUMN consent_history  boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT consent_is_known CHECK (consent IN ('open', 'guarded', 'strict'));

-- Whether messages of an account may raise statuses, as tokens may by the scope consent.
ALTER TABLE accounts ADD COLUMN raise_consent boolean NOT NULL DEFAULT false;

-- How many statuses an import was kept from raising; NULL for none. What they are stands
-- in `kept`.
ALTER TABLE imports ADD COLUMN protected integer;
-- The rows of a job whose imports were.
ALTER TABLE jobs ADD COLUMN protected bigint NOT NULL DEFAULT 0;
