"""Subscriptions, one row each: loaded and upserted by the batch."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from psycopg.rows import TupleRow

from ingest.domain.catalog import Channel
from ingest.domain.profiles import Subscription, SubscriptionKey
from ingest.store.database import Connection
from ingest.store.rows import Id, execute_rows

_CHANNELS = {channel.value: channel for channel in Channel}


def load_subscriptions(
    connection: Connection, parameters: Mapping[str, object]
) -> Iterator[tuple[Id, Subscription]]:
    """Return the subscriptions of the wanted profiles, read when they are asked for."""
    rows = connection.execute(
        """
        SELECT stored.database_id, stored.profile_id, resource_id, channel, contact,
               contact_data, status, priority, custom_fields, categories, is_deleted
          FROM subscriptions AS stored
          JOIN unnest(%(databases)s::integer[], %(profiles)s::text[])
               AS wanted (database_id, profile_id)
            ON stored.database_id = wanted.database_id
           AND stored.profile_id = wanted.profile_id
         ORDER BY stored.priority, resource_id, channel, contact
        """,
        parameters,
    )
    return map(_read, rows)


def _read(row: TupleRow) -> tuple[Id, Subscription]:
    database_id, profile_id, resource_id, channel, contact, *rest = row
    data, status, priority, custom_fields, categories, deleted = rest
    return (database_id, profile_id), Subscription(
        key=SubscriptionKey(resource_id, _CHANNELS[channel], contact),
        contact=data,
        status=status,
        priority=priority,
        custom_fields=custom_fields,
        categories=tuple(categories),
        deleted=deleted,
    )


def upsert_subscriptions(
    connection: Connection,
    changed: Iterable[tuple[Id, Subscription]],
    now: datetime,
) -> None:
    """Insert or replace the `changed` subscriptions; unchanged ones are not listed."""
    execute_rows(
        connection,
        """
        INSERT INTO subscriptions
               (database_id, profile_id, resource_id, channel, contact, contact_data,
                status, priority, custom_fields, categories, is_deleted,
                created_at, updated_at)
        SELECT database_id, profile_id, resource_id, channel, contact, contact_data,
               status, priority, custom_fields, categories, is_deleted,
               %(now)s, %(now)s
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS given (database_id integer, profile_id text, resource_id integer,
                         channel text, contact text, contact_data jsonb, status text,
                         priority integer, custom_fields jsonb, categories text[],
                         is_deleted boolean)
            ON CONFLICT (database_id, profile_id, resource_id, channel, contact)
               DO UPDATE SET contact_data = EXCLUDED.contact_data,
                             status = EXCLUDED.status,
                             priority = EXCLUDED.priority,
                             custom_fields = EXCLUDED.custom_fields,
                             categories = EXCLUDED.categories,
                             is_deleted = EXCLUDED.is_deleted,
                             updated_at = EXCLUDED.updated_at
        """,
        [_subscription_row(owner, subscription) for owner, subscription in changed],
        now,
    )


def move_contacts(
    connection: Connection,
    moves: Iterable[tuple[Id, SubscriptionKey, str]],
) -> None:
    """Let subscriptions be identified by another contact, which the profile lacks."""
    execute_rows(
        connection,
        """
        UPDATE subscriptions
           SET contact = moved.fresh
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS moved (database_id integer, profile_id text, resource_id integer,
                         channel text, contact text, fresh text)
         WHERE subscriptions.database_id = moved.database_id
           AND subscriptions.profile_id = moved.profile_id
           AND subscriptions.resource_id = moved.resource_id
           AND subscriptions.channel = moved.channel
           AND subscriptions.contact = moved.contact
        """,
        [
            {
                "database_id": database_id,
                "profile_id": profile_id,
                "resource_id": key.resource_id,
                "channel": key.channel,
                "contact": key.contact,
                "fresh": fresh,
            }
            for (database_id, profile_id), key, fresh in moves
        ],
    )


def _subscription_row(owner: Id, subscription: Subscription) -> dict[str, object]:
    database_id, profile_id = owner
    return {
        "database_id": database_id,
        "profile_id": profile_id,
        "resource_id": subscription.key.resource_id,
        "channel": subscription.key.channel,
        "contact": subscription.key.contact,
        "contact_data": subscription.contact,
        "status": subscription.status,
        "priority": subscription.priority,
        "custom_fields": subscription.custom_fields,
        "categories": subscription.categories,
        "is_deleted": subscription.deleted,
    }
