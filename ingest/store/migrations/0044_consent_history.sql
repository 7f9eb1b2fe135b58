-- The statuses that hold no more, for the record; those that hold are in the documents of
-- their profiles.
CREATE TABLE consent_history (
    -- Made of the import that ended it.
    id          uuid        NOT NULL,
    database_id integer     NOT NULL,
    profile_id  text        COLLATE "C" NOT NULL,
    resource_id integer     NOT NULL,
    channel     text        COLLATE "C" NOT NULL,
    contact     text        COLLATE "C" NOT NULL,
    status      text        NOT NULL,
    -- NULL where nobody knows.
    status_at   timestamptz,
    status_by   uuid,
    -- The basis, as it was sent.
    consent     jsonb,
    -- When the next one began.
    until_at    timestamptz NOT NULL,
    -- When it was recorded that it holds no more, and by which import.
    ended_at    timestamptz NOT NULL,
    ended_by    uuid        NOT NULL,
    -- False for what was said too late: it never was the one that holds.
    applied     boolean     NOT NULL,
    PRIMARY KEY (id, ended_at)
) PARTITION BY RANGE (ended_at);
CREATE INDEX consent_history_contact
    ON consent_history (database_id, profile_id, resource_id, channel, contact, ended_at);

-- For months that nobody has made a table for: no import fails for the lack of one.
CREATE TABLE consent_history_default PARTITION OF consent_history DEFAULT;

CREATE FUNCTION refuse_rewriting()
    RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The history of statuses is never rewritten';
END
$$;
CREATE TRIGGER consent_history_is_never_rewritten
    BEFORE UPDATE ON consent_history
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting();

-- The statuses of a document, deleted subscriptions too.
CREATE FUNCTION list_statuses(document json)
    RETURNS TABLE (resource_id integer, channel text, contact text, status text,
                   status_at timestamptz, status_by uuid, consent jsonb)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 6
BEGIN ATOMIC
    SELECT (one ->> 0)::integer,
           one ->> 1,
           one ->> 2,
           one ->> 4,
           -- Null while it is of when the subscription was updated, or created.
           coalesce(one ->> 11, one ->> 10, one ->> 9)::timestamptz,
           (one ->> 12)::uuid,
           nullif((one -> 13)::jsonb, 'null')
      FROM json_array_elements(document) AS stored (one);
END;

-- Who could be written to, since when, and until when: what holds has no end.
CREATE VIEW consents AS
SELECT database_id, profile_id, resource_id, channel, contact, status,
       status_at AS since, until_at AS until, status_by AS by, consent, ended_by, applied
  FROM consent_history
 UNION ALL
SELECT profiles.database_id, profiles.id, stored.resource_id,
       stored.channel COLLATE "C", stored.contact COLLATE "C", stored.status,
       stored.status_at, NULL, stored.status_by, stored.consent, NULL, true
  FROM profiles
 CROSS JOIN LATERAL list_statuses(profiles.subscriptions) AS stored;
