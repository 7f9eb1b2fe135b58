"""The statements that declare endpoints, and what is delivered to them."""

from ingest.domain.identities import new_signing_secret
from ingest.domain.plans import DeclaredCatalog
from ingest.store.catalog.statements import to_row
from ingest.store.database import Connection
from ingest.store.events.marks import forget_marks
from ingest.store.rows import execute_rows


def save_endpoints(connection: Connection, declared: DeclaredCatalog) -> None:
    """Insert or update every declared endpoint; a new one gets a secret to sign with.

    One that points elsewhere starts anew, as if it had never failed.
    """
    execute_rows(
        connection,
        """
        INSERT INTO endpoints (id, account_id, name, url, queue, secret, rate,
                               concurrency, batch, linger, disable_after)
        SELECT id, account_id, name, url, queue, secret, rate, concurrency, batch,
               linger, disable_after
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS declared (id integer, account_id integer, name text, url text,
                            queue text, secret text, rate double precision,
                            concurrency integer, batch integer, linger text,
                            disable_after text)
            ON CONFLICT (id) DO UPDATE
           SET account_id = excluded.account_id,
               name = excluded.name,
               url = excluded.url,
               queue = excluded.queue,
               rate = excluded.rate,
               concurrency = excluded.concurrency,
               batch = excluded.batch,
               linger = excluded.linger,
               disable_after = excluded.disable_after,
               failures = CASE WHEN (endpoints.url, endpoints.queue)
                                    = (excluded.url, excluded.queue)
                               THEN endpoints.failures ELSE 0 END,
               paused_until = CASE WHEN (endpoints.url, endpoints.queue)
                                        = (excluded.url, excluded.queue)
                                   THEN endpoints.paused_until END,
               failing_since = CASE WHEN (endpoints.url, endpoints.queue)
                                         = (excluded.url, excluded.queue)
                                         AND excluded.disable_after <> ''
                                    THEN endpoints.failing_since END,
               disabled_at = CASE WHEN (endpoints.url, endpoints.queue)
                                       = (excluded.url, excluded.queue)
                                  THEN endpoints.disabled_at END
        """,
        [
            {**to_row(each), "secret": new_signing_secret()}
            for each in declared.endpoints.values()
        ],
    )


def save_triggers(connection: Connection, declared: DeclaredCatalog) -> None:
    """Replace the triggers."""
    connection.execute("DELETE FROM triggers")
    execute_rows(
        connection,
        """
        -- As json, a condition keeps the order of its keys.
        INSERT INTO triggers (id, database_id, endpoint_id, name, event, resource_id,
                              channel, novelties, segment_id, fields, statuses,
                              from_statuses, "when", was, include, once, every,
                              delay, recheck)
        SELECT id, database_id, endpoint_id, name, event, resource_id,
               channel, novelties, segment_id, fields, statuses,
               from_statuses, "when", was, include, once, every, delay, recheck
          FROM json_to_recordset(%(rows)s::json)
               AS declared (id integer, database_id integer, endpoint_id integer,
                            name text, event text, resource_id integer, channel text,
                            novelties text[], segment_id integer, fields text[],
                            statuses text[], from_statuses text[], "when" json,
                            was json, include text[], once boolean, every text,
                            delay text, recheck boolean)
        """,
        [
            {**to_row(each), "when": each.when, "was": each.was}
            for each in declared.triggers.values()
        ],
    )
    forget_marks(connection, [*declared.triggers])


def save_workflows(connection: Connection, declared: DeclaredCatalog) -> None:
    """Replace the workflows."""
    connection.execute("DELETE FROM workflows")
    execute_rows(
        connection,
        """
        INSERT INTO workflows (id, database_id, endpoint_id, name)
        SELECT id, database_id, endpoint_id, name
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS declared (id integer, database_id integer, endpoint_id integer,
                            name text)
        """,
        [to_row(each) for each in declared.workflows.values()],
    )
