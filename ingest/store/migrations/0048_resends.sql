-- How many attempts had been made when a delivery was resent: its retries begin anew
-- after them. Workers of the release before ignore it, and give such a delivery up early.
ALTER TABLE deliveries
    ADD COLUMN IF NOT EXISTS resent_after integer NOT NULL DEFAULT 0;
