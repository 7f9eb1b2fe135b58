"""Make a database ready for use: its schema and, for the demo, something in it."""

from collections.abc import Iterable
from contextlib import suppress
from importlib import resources

import psycopg

from ingest.domain.tokens import Scope
from ingest.store import tokens
from ingest.store.catalog.load import load_declared, lock_catalog
from ingest.store.catalog.save import save_catalog
from ingest.store.database import Connection, connect
from ingest.store.migrate import migrate
from ingest.wire.catalog_files import load_catalog_file

#: The token of the import's public documentation, so that its samples run as they
#: are. Anybody knows it: it is only ever made in the embedded default, whose database
#: and intake listen on this machine alone, and never where DATABASE_URL is set.
DEMO_SECRET = "abcdefghijklmnqrstuvwxyz"  # noqa: S105 (public by intent, see above)


def _apply_demo_catalog(connection: Connection) -> None:
    lock_catalog(connection)
    if not load_declared(connection).databases:
        file = resources.files("ingest.local") / "demo.toml"
        save_catalog(connection, load_catalog_file(file.read_bytes()))


def _ensure_token(
    connection: Connection,
    name: str,
    secret: str,
    actions: Iterable[Scope],
) -> str | None:
    """Create a token unless it was made before; None if it was revoked."""
    secret_hash = tokens.hash_secret(secret)
    if secret_hash not in tokens.load_tokens(connection):
        # Made by another process just now, or revoked: either way left as it is.
        with suppress(psycopg.errors.UniqueViolation):
            tokens.create_token(
                connection,
                name=name,
                database_ids=(),
                actions=actions,
                secret=secret,
            )
    return secret if secret_hash in tokens.load_tokens(connection) else None


def ensure_admin(database_url: str, secret: str) -> str | None:
    """Make `secret` an admin's who may import, for the console; None if it was revoked.

    For the embedded default only, as the demo token, but not public like it.
    """
    with connect(database_url) as connection:
        return _ensure_token(
            connection, "demo admin", secret, {Scope.ADMIN, Scope.IMPORT}
        )


def prepare(database_url: str, *, demo: bool) -> str | None:
    """Migrate a database; for the demo, fill an empty catalog and make a token.

    Returns the demo token's secret, or None without `demo`. Every step is left out
    where it was done before, so each start may call it.
    """
    with connect(database_url) as connection:
        # The embedded default has no processes but those of this group.
        migrate(connection, finish=demo)
        if not demo:
            return None
        with connection.transaction():
            _apply_demo_catalog(connection)
        # What anybody knows must not open the console.
        allowed = set(Scope) - {Scope.ADMIN}
        return _ensure_token(connection, "demo", DEMO_SECRET, allowed)
