-- The last heartbeat that passed a stream and the transaction of its drain: when it was
-- appended, and when it was applied. It is no import: it has no receipt and no profile.
ALTER TABLE partitions
    ADD COLUMN heartbeat_sent_at    timestamptz,
    ADD COLUMN heartbeat_applied_at timestamptz;
