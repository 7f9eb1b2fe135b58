"""API tokens in Postgres: created, listed, revoked; the secrets are not stored."""

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import kwargs_row

from ingest.domain.errors import PenstockError
from ingest.domain.rates import Rate
from ingest.domain.tokens import Scope, Token
from ingest.store.catalog.load import bump_version
from ingest.store.database import Connection


class UnknownDatabase(PenstockError):
    """A token was to be limited to a database that does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A token and its dates, for whoever administers them."""

    token: Token
    created_at: datetime
    #: None while it is good.
    revoked_at: datetime | None


def hash_secret(secret: str) -> bytes:
    """Hash a secret as it is stored and looked up.

    A fast hash is right here: unlike a password, a secret is 128 random bits that
    nobody can guess, so slowness would protect nothing and cost every request.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _refuse_unknown_databases(connection: Connection, database_ids: list[int]) -> None:
    rows = connection.execute(
        """
        SELECT wanted.id
          FROM unnest(%(ids)s::integer[]) AS wanted (id)
         WHERE NOT EXISTS (SELECT FROM databases WHERE databases.id = wanted.id)
         ORDER BY wanted.id
        """,
        {"ids": database_ids},
    ).fetchall()
    if rows:
        ids = ", ".join(str(id_) for (id_,) in rows)
        raise UnknownDatabase(f"Database not found in the catalog: {ids}")


def create_token(
    connection: Connection,
    *,
    name: str,
    database_ids: Iterable[int],
    actions: Iterable[Scope],
    secret: str | None = None,
    rate: Rate | None = None,
) -> tuple[int, str]:
    """Create a token; return its id and its secret, which cannot be read again.

    No database ids stand for every database, no rate for any amount. The secret is
    made here unless given.
    """
    limited_to = sorted(set(database_ids))
    # 32 lower-case hexadecimal characters, as documented (contract 1.1).
    secret = secrets.token_hex(16) if secret is None else secret
    with connection.transaction():
        _refuse_unknown_databases(connection, limited_to)
        row = connection.execute(
            """
            INSERT INTO tokens (name, secret_hash, database_ids, actions,
                                rate_per_second, burst)
            VALUES (%(name)s, %(secret_hash)s, %(database_ids)s::integer[],
                    %(actions)s::text[], %(per_second)s, %(burst)s)
            RETURNING id
            """,
            {
                "name": name,
                "secret_hash": hash_secret(secret),
                "database_ids": limited_to,
                "actions": sorted(set(actions)),
                "per_second": rate and rate.per_second,
                "burst": rate and rate.burst,
            },
        ).fetchone()
        bump_version(connection)
    return (row[0] if row else 0), secret


def _make_token(
    *,
    database_ids: Iterable[int],
    actions: Iterable[str],
    rate_per_second: float | None,
    burst: int,
    **columns: Any,
) -> Token:
    rate = Rate(per_second=rate_per_second, burst=burst) if rate_per_second else None
    return Token(
        database_ids=frozenset(database_ids),
        # A later release may know more.
        actions=frozenset(Scope(one) for one in actions if one in list(Scope)),
        rate=rate,
        **columns,
    )


def _make_issued(
    *, created_at: datetime, revoked_at: datetime | None, **columns: Any
) -> IssuedToken:
    return IssuedToken(
        token=_make_token(**columns), created_at=created_at, revoked_at=revoked_at
    )


def list_tokens(connection: Connection) -> list[IssuedToken]:
    """List every token, the revoked ones too, in the order of their making."""
    with connection.cursor(row_factory=kwargs_row(_make_issued)) as cursor:
        return cursor.execute(
            """
            SELECT id, name, database_ids, actions, rate_per_second, burst,
                   source, created_at, revoked_at
              FROM tokens
             ORDER BY id
            """
        ).fetchall()


def _make_known(*, secret_hash: bytes, **columns: Any) -> tuple[bytes, Token]:
    return secret_hash, _make_token(**columns)


def load_tokens(connection: Connection) -> Mapping[bytes, Token]:
    """Load the tokens not revoked by the hashes of their secrets, old and new.

    A secret that a rotation replaced is good until a moment, which is for the caller
    to compare: nothing in the database changes when it comes.
    """
    with connection.cursor(row_factory=kwargs_row(_make_known)) as cursor:
        return dict(
            cursor.execute(
                """
                SELECT secret_hash, NULL::timestamptz AS good_until, id, name,
                       database_ids, actions, rate_per_second, burst, source
                  FROM tokens
                 WHERE revoked_at IS NULL
                 UNION ALL
                SELECT retired.secret_hash, good_until, tokens.id, name,
                       database_ids, actions, rate_per_second, burst, source
                  FROM retired_secrets AS retired
                  JOIN tokens ON tokens.id = retired.token_id
                 WHERE revoked_at IS NULL
                """
            )
        )


def set_rate(connection: Connection, token_id: int, rate: Rate | None) -> bool:
    """Limit a token, or limit it no longer; say whether there is a good one."""
    with connection.transaction():
        changed = connection.execute(
            """
            UPDATE tokens
               SET rate_per_second = %(per_second)s,
                   burst = %(burst)s
             WHERE id = %(id)s
               AND revoked_at IS NULL
            """,
            {
                "id": token_id,
                "per_second": rate and rate.per_second,
                "burst": rate and rate.burst,
            },
        ).rowcount
        if changed:
            bump_version(connection)
    return bool(changed)


def set_source(connection: Connection, token_id: int, source: str) -> bool:
    """Name what the imports of a token are known as; say whether there is a good one.

    Of imports that wait, too: they are judged as they are applied (T4).
    """
    with connection.transaction():
        changed = connection.execute(
            """
            UPDATE tokens
               SET source = %(source)s
             WHERE id = %(id)s
               AND revoked_at IS NULL
            """,
            {"id": token_id, "source": source},
        ).rowcount
        if changed:
            bump_version(connection)
    return bool(changed)


def rotate_token(
    connection: Connection, token_id: int, *, overlap: timedelta
) -> str | None:
    """Give a token a new secret and return it; None if there is no good one of that id.

    The old secret stays good for `overlap`, so that its holders can change without a
    gap; secrets replaced earlier keep the end that they were given.
    """
    secret = secrets.token_hex(16)
    with connection.transaction():
        retired = connection.execute(
            """
            INSERT INTO retired_secrets (secret_hash, token_id, good_until)
            SELECT secret_hash, id, now() + %(overlap)s::interval
              FROM tokens
             WHERE id = %(id)s
               AND revoked_at IS NULL
               FOR UPDATE
            """,
            {"id": token_id, "overlap": overlap},
        ).rowcount
        if not retired:
            return None
        connection.execute(
            """
            UPDATE tokens
               SET secret_hash = %(secret_hash)s
             WHERE id = %(id)s
            """,
            {"id": token_id, "secret_hash": hash_secret(secret)},
        )
        bump_version(connection)
    return secret


def revoke_token(connection: Connection, token_id: int) -> bool:
    """Revoke a token for good; say whether there was a good one of that id."""
    with connection.transaction():
        revoked = connection.execute(
            """
            UPDATE tokens
               SET revoked_at = now()
             WHERE id = %(id)s
               AND revoked_at IS NULL
            """,
            {"id": token_id},
        ).rowcount
        if revoked:
            bump_version(connection)
    return bool(revoked)
