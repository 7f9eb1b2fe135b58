-- The subscriptions of a profile stand in its row, and what they are matched by in
-- `match_keys`: one row is read, locked, and written where there were seven.
--
-- The table `subscriptions` stays while workers of the release before run. Triggers let
-- either follow the other: those here what such workers write into the table, those of
-- 0026 what workers of this release write into the document. 0027 ends that, and leaves
-- a view in place of the table.

-- An array of arrays in the order of list_subscriptions; null for none. Not jsonb: it is
-- read and written whole, and is cheaper as the text that it is.
ALTER TABLE profiles ADD COLUMN subscriptions json;

-- One row for each subscription of a document.
CREATE FUNCTION list_subscriptions(document json)
    RETURNS TABLE (resource_id integer, channel text, contact text, contact_data jsonb,
                   status text, priority integer, custom_fields jsonb,
                   categories text[], is_deleted boolean, created_at timestamptz,
                   updated_at timestamptz)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 6
BEGIN ATOMIC
    SELECT (one ->> 0)::integer,
           one ->> 1,
           one ->> 2,
           (one -> 3)::jsonb,
           one ->> 4,
           (one ->> 5)::integer,
           (one -> 6)::jsonb,
           ARRAY(SELECT json_array_elements_text(one -> 7)),
           (one ->> 8)::boolean,
           (one ->> 9)::timestamptz,
           -- Null while it is as it was created.
           coalesce(one ->> 10, one ->> 9)::timestamptz
      FROM json_array_elements(document) AS stored (one);
END;

-- Whether one of them, not deleted, is of that resource, channel, and contact.
CREATE FUNCTION has_subscription(document json, resource_id integer, channel text,
                                 contact text)
    RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN EXISTS (
        SELECT FROM json_array_elements(document) AS stored (one)
         WHERE (one ->> 0)::integer = has_subscription.resource_id
           AND one ->> 1 = has_subscription.channel
           AND one ->> 2 = has_subscription.contact
           AND NOT (one ->> 8)::boolean);

-- The kind of match key that the contacts of a channel are; null for the channels that
-- nothing is matched by.
CREATE FUNCTION contact_kind(channel text)
    RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE channel WHEN 'email' THEN 'email_sub'
                        WHEN 'sms' THEN 'phone_sub'
                        WHEN 'push' THEN 'push_sub' END;

-- The document of what the table holds of a profile.
CREATE FUNCTION make_subscription_document(database_id integer, profile_id text)
    RETURNS json
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT json_agg(json_build_array(
               resource_id, channel, contact, contact_data, status, priority,
               custom_fields, categories, is_deleted, created_at,
               CASE WHEN updated_at <> created_at THEN updated_at END)
               ORDER BY priority, resource_id, channel, contact)
      FROM subscriptions
     WHERE subscriptions.database_id = make_subscription_document.database_id
       AND subscriptions.profile_id = make_subscription_document.profile_id;
END;

-- Rows that a worker of the release before has written, of profiles that it has locked.
CREATE FUNCTION follow_subscription_rows()
    RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    UPDATE profiles
       SET subscriptions = make_subscription_document(owner.database_id,
                                                      owner.profile_id)
      FROM (SELECT DISTINCT database_id, profile_id FROM written) AS owner
     WHERE profiles.database_id = owner.database_id
       AND profiles.id = owner.profile_id;

    -- Of all that such a profile has, for it may not have been taken over before.
    INSERT INTO match_keys (database_id, kind, value, profile_id, exclusive)
    SELECT stored.database_id, contact_kind(stored.channel), stored.contact,
           stored.profile_id, false
      FROM (SELECT DISTINCT database_id, profile_id FROM written) AS owner
      JOIN subscriptions AS stored USING (database_id, profile_id)
     WHERE contact_kind(stored.channel) IS NOT NULL
       AND NOT stored.is_deleted
        ON CONFLICT DO NOTHING;

    DELETE FROM match_keys
     USING written
     WHERE match_keys.database_id = written.database_id
       AND match_keys.kind = contact_kind(written.channel)
       AND match_keys.value = written.contact
       AND match_keys.profile_id = written.profile_id
       AND (written.is_deleted OR TG_OP = 'DELETE')
       AND NOT EXISTS (
           SELECT FROM subscriptions AS other
            WHERE other.database_id = written.database_id
              AND other.profile_id = written.profile_id
              AND other.channel = written.channel
              AND other.contact = written.contact
              AND NOT other.is_deleted);
    RETURN NULL;
END
$$;

-- A document that a worker of this release has written.
CREATE FUNCTION follow_subscription_document()
    RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM subscriptions
         WHERE database_id = OLD.database_id
           AND profile_id = OLD.id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO subscriptions
               (database_id, profile_id, resource_id, channel, contact, contact_data,
                status, priority, custom_fields, categories, is_deleted, created_at,
                updated_at)
        SELECT NEW.database_id, NEW.id, stored.*
          FROM list_subscriptions(NEW.subscriptions) AS stored;
    END IF;
    RETURN NULL;
END
$$;

-- The profiles whose subscriptions stand in the table alone, a thousand in a transaction:
-- imports of those wait for so long. Goes on where it was broken off.
CREATE PROCEDURE take_over_subscriptions()
    LANGUAGE plpgsql AS $$
DECLARE
    -- Of the last profile of a chunk.
    last_database integer := 0;
    last_profile  text := '';
    chunk         record;
    taken         bigint := 0;
    told          bigint := 0;
BEGIN
    LOOP
        -- Locked in the order in which imports lock, and read only when they are.
        SELECT array_agg(database_id) AS databases, array_agg(id) AS profiles
          INTO chunk
          FROM (SELECT database_id, id
                  FROM profiles
                 WHERE (database_id, id) > (last_database, last_profile)
                   AND subscriptions IS NULL
                 ORDER BY database_id, id
                 LIMIT 1000
                   FOR NO KEY UPDATE) AS following;
        EXIT WHEN chunk.profiles IS NULL;
        last_database := chunk.databases[cardinality(chunk.databases)];
        last_profile := chunk.profiles[cardinality(chunk.profiles)];

        UPDATE profiles
           SET subscriptions = make_subscription_document(profiles.database_id,
                                                          profiles.id)
          FROM unnest(chunk.databases, chunk.profiles) AS owner (database_id, id)
         WHERE profiles.database_id = owner.database_id
           AND profiles.id = owner.id;

        INSERT INTO match_keys (database_id, kind, value, profile_id, exclusive)
        SELECT stored.database_id, contact_kind(stored.channel), stored.contact,
               stored.profile_id, false
          FROM subscriptions AS stored
          JOIN unnest(chunk.databases, chunk.profiles) AS owner (database_id, id)
            ON stored.database_id = owner.database_id
           AND stored.profile_id = owner.id
         WHERE contact_kind(stored.channel) IS NOT NULL
           AND NOT stored.is_deleted
            ON CONFLICT DO NOTHING;
        COMMIT;

        taken := taken + cardinality(chunk.profiles);
        IF taken - told >= 100000 THEN
            RAISE INFO 'Profiles with their subscriptions in their rows: %', taken;
            told := taken;
        END IF;
    END LOOP;
END
$$;

-- WHEN: not what follows the document.
CREATE TRIGGER subscriptions_are_inserted
    AFTER INSERT ON subscriptions
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION follow_subscription_rows();
CREATE TRIGGER subscriptions_are_updated
    AFTER UPDATE ON subscriptions
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION follow_subscription_rows();
CREATE TRIGGER subscriptions_are_deleted
    AFTER DELETE ON subscriptions
    REFERENCING OLD TABLE AS written
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION follow_subscription_rows();
