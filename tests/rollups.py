"""A week of roll-ups, as upkeep would have written it, without the receipts."""

from datetime import datetime

from psycopg import ClientCursor

from tests.conftest import Connection


def store_week(connection: Connection, now: datetime, tokens: int = 3) -> None:
    """Store the minutes and hours of the week before `now`, with its days and nights.

    Of the last half hour but ten minutes, a tenth was rejected.
    """
    connection.execute(
        """
        INSERT INTO tokens (name, secret_hash, database_ids, actions)
        SELECT (ARRAY['shop-checkout', 'crm', 'web-forms', 'pos'])[1 + n %% 4]
               || CASE WHEN n > 3 THEN n::text ELSE '' END,
               sha256(('rollups' || n)::bytea), '{1}', '{import}'
          FROM generate_series(0, %(tokens)s - 1) AS n
        """,
        {"tokens": tokens},
    )
    # Several statements at once are bound on this side.
    ClientCursor(connection).execute(
        """
        INSERT INTO import_minutes
        SELECT at, 1, tokens.id,
               CASE WHEN tokens.id %% 3 = 0 THEN 'broker' ELSE 'http' END,
               state, greatest(1, round(share * wave * CASE
                   WHEN state = 'rejected' AND at > %(now)s - INTERVAL '30 minutes'
                    AND at < %(now)s - INTERVAL '9 minutes' THEN 8 ELSE 1 END)),
               at + INTERVAL '59 seconds'
          FROM generate_series(date_trunc('hour', %(now)s - INTERVAL '7 days'),
                               date_trunc('minute', %(now)s)
                                   - INTERVAL '1 minute', '1 minute') AS at,
               (VALUES ('created', 0.2), ('updated', 0.5), ('unchanged', 0.28),
                       ('rejected', 0.02)) AS outcome (state, share),
               (SELECT id FROM tokens WHERE secret_hash IN
                   (SELECT sha256(('rollups' || n)::bytea)
                      FROM generate_series(0, %(tokens)s - 1) AS n)) AS tokens,
               LATERAL (SELECT 160 + 120 * sin(extract(epoch FROM at) / 13750.99)
                               + 30 * sin(extract(epoch FROM at) / 600 + tokens.id)
                               AS wave) AS waves;

        INSERT INTO latency_minutes
        SELECT at, bucket, n
          FROM (SELECT DISTINCT at FROM import_minutes) AS minutes,
               (VALUES (0, 500), (1, 300), (2, 80), (3, 2)) AS made (bucket, n);

        INSERT INTO import_hours
        SELECT date_trunc('hour', at), database_id, token_id, door, state, sum(imports),
               max(last_at)
          FROM import_minutes GROUP BY 1, 2, 3, 4, 5;

        INSERT INTO latency_hours
        SELECT date_trunc('hour', at), bucket, sum(imports)
          FROM latency_minutes GROUP BY 1, 2;

        INSERT INTO stream_minutes
        SELECT at + INTERVAL '1 minute', sum(n) OVER (ORDER BY at),
               3 + extract(minute FROM at)::integer %% 7, 0.01
          FROM (SELECT at, sum(imports)::bigint AS n FROM import_minutes
                 GROUP BY at) AS minutes;

        UPDATE rollups
           SET counted_until = date_trunc('minute', %(now)s),
               settled_until = date_trunc('minute', %(now)s)
                               - INTERVAL '1 minute'
        """,
        {"now": now, "tokens": tokens},
    )
