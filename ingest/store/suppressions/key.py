"""The key of the hashes: the one that all of them were made with."""

from collections.abc import Callable

from ingest.domain.contact_hashes import KEY_LABEL, ContactHasher
from ingest.domain.errors import PenstockError
from ingest.domain.secrets import derive_key
from ingest.settings import read_secret
from ingest.store.database import Connection


class NoSuppressionKey(PenstockError):
    """The secret is missing, or not the one that suppression lists were made with."""

    code = 503


def find_hasher() -> ContactHasher:
    """Return what hashes contacts, by the secret of this process.

    Raises NoSuppressionKey without one.
    """
    secret = read_secret()
    if secret is None:
        raise NoSuppressionKey(
            "Suppression lists need PENSTOCK_SECRET, the same for all processes"
        )
    return ContactHasher(derive_key(secret, KEY_LABEL))


def has_key(connection: Connection) -> bool:
    """Tell whether there was ever an entry, which was made with some key."""
    row = connection.execute("SELECT EXISTS (SELECT FROM suppression_key)").fetchone()
    return row == (True,)


def check_key(connection: Connection, hasher: ContactHasher) -> None:
    """Raise NoSuppressionKey if the entries were made with another secret.

    With that they would find nobody, and everybody could be written to.
    """
    ask_key(connection, hasher)()


def ask_key(connection: Connection, hasher: ContactHasher) -> Callable[[], None]:
    """Do as `check_key`, but send the question only: what is returned checks it."""
    asked = connection.execute("SELECT fingerprint FROM suppression_key")

    def check() -> None:
        row = asked.fetchone()
        if row is not None and row[0] != hasher.fingerprint:
            raise NoSuppressionKey(
                "PENSTOCK_SECRET is not the one that the suppression lists were made"
                " with"
            )

    return check


def keep_key(connection: Connection, hasher: ContactHasher) -> None:
    """Remember the key of the first entry; raise NoSuppressionKey for another."""
    connection.execute(
        """
        INSERT INTO suppression_key (fingerprint)
        VALUES (%(fingerprint)s)
            ON CONFLICT DO NOTHING
        """,
        {"fingerprint": hasher.fingerprint},
    )
    check_key(connection, hasher)
