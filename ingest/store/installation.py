"""The secret of this installation, which the names of imports are hashed with."""

from datetime import timedelta

from ingest.domain.errors import Unavailable
from ingest.domain.identities import Namer
from ingest.store.database import Connection


def load_namer(connection: Connection, *, receipt_days: int) -> Namer:
    """Load what makes ids of names; receipts are kept for `receipt_days`.

    Raises Unavailable if the secret is gone: another one would make other ids, and
    requests that are repeated would be applied again.
    """
    row = connection.execute(
        "SELECT name_secret, sealed_from FROM installation"
    ).fetchone()
    if row is None:
        raise Unavailable(
            "The table installation is empty; restore its row from a backup"
        )
    secret, sealed_from = row
    # Receipts are dropped by whole days.
    kept = timedelta(days=receipt_days + 1)
    return Namer(secret=secret, sealed_from=sealed_from, plain_until=sealed_from + kept)
