-- Finishes an upgrade: workers of the release before 0025 can no longer write.
--
-- The subscriptions of profiles as rows, with the names and columns that their table
-- had, for people and their queries.

DROP FUNCTION make_subscription_document;
DROP TABLE subscriptions;
DROP TRIGGER profiles_are_inserted ON profiles;
DROP TRIGGER profiles_are_updated ON profiles;
DROP TRIGGER profiles_are_deleted ON profiles;
DROP FUNCTION follow_subscription_rows, follow_subscription_document;
DROP FUNCTION contact_key, contact_kind;
DROP PROCEDURE take_over_subscriptions;

CREATE VIEW subscriptions AS
SELECT profiles.database_id, profiles.id AS profile_id, stored.resource_id,
       stored.channel COLLATE "C" AS channel, stored.contact COLLATE "C" AS contact,
       stored.contact_data, stored.status, stored.priority, stored.custom_fields,
       stored.categories, stored.is_deleted, stored.created_at, stored.updated_at
  FROM profiles
 CROSS JOIN LATERAL list_subscriptions(profiles.subscriptions) AS stored;
