"""The demo's profiles as Postgres holds them, read by plain SQL."""

from typing import Any

from ingest.store.database import connect

#: A profile of the demo's database by its email, found as an import finds it.
_PROFILE = """
    SELECT profiles.id, profiles.email, phones, fields,
           ARRAY(SELECT resource_id || '/' || channel || ' ' || status
                   FROM subscriptions
                  WHERE subscriptions.database_id = profiles.database_id
                    AND subscriptions.profile_id = profiles.id
                  ORDER BY priority),
           ARRAY(SELECT segment_id
                   FROM segment_members
                  WHERE segment_members.database_id = profiles.database_id
                    AND segment_members.profile_id = profiles.id
                  ORDER BY segment_id)
      FROM match_keys
      JOIN profiles
        ON profiles.database_id = match_keys.database_id
       AND profiles.id = match_keys.profile_id
     WHERE match_keys.database_id = 1
       AND kind = 'email'
       AND value = %(email)s
    """


def read_profile(database_url: str, email: str) -> dict[str, Any] | None:
    """Return the profile with its subscriptions and segments; None if there is none."""
    with connect(database_url, application_name="penstock-demo") as connection:
        row = connection.execute(_PROFILE, {"email": email}).fetchone()
    if row is None:
        return None
    profile_id, stored_email, phones, fields, subscriptions, segments = row
    return {
        "id": profile_id,
        "email": stored_email,
        "phones": phones,
        **fields,
        "subscriptions": subscriptions,
        "segments": segments,
    }
