"""The catalog as doors know it: kept, so that accepting an import needs no Postgres."""

from collections.abc import Mapping
from dataclasses import dataclass

from ingest.domain.catalog import Catalog
from ingest.domain.errors import Unavailable
from ingest.domain.identities import Namer
from ingest.domain.tokens import Token
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog, load_version
from ingest.store.database import LateConnection
from ingest.store.installation import load_namer
from ingest.store.tokens import load_tokens
from ingest.telemetry import metrics


@dataclass(frozen=True, slots=True)
class KnownCatalog:
    """One version of the catalog, as far as a door needs it."""

    catalog: Catalog
    #: By the hash of their secrets.
    tokens: Mapping[bytes, Token]
    #: What makes ids of names.
    namer: Namer


class CatalogReader:
    """Reads the catalog when it has changed; the last one known stays good."""

    def __init__(self, settings: Settings, *, application_name: str, role: str) -> None:
        self._settings = settings
        # As metrics call the process.
        self._role = role
        self._database = LateConnection(
            settings.database_url, application_name=application_name
        )
        self._version: int | None = None
        self._known: KnownCatalog | None = None

    @property
    def is_loaded(self) -> bool:
        """Whether there is a catalog at all."""
        return self._known is not None

    @property
    def known(self) -> KnownCatalog:
        """The catalog as last read; Unavailable before it could first be."""
        if self._known is None:
            raise Unavailable("The catalog is not loaded yet")
        return self._known

    def refresh(self) -> bool:
        """Read everything if the version has moved; tell whether it has.

        Raises what psycopg raises, and Unavailable. The version comes first: what
        changes while the rest is read is then read again, not missed.
        """
        connection = self._database.get()
        version = load_version(connection)
        if version == self._version:
            return False
        self._known = KnownCatalog(
            catalog=load_catalog(connection, self._settings.profile_limits),
            tokens=load_tokens(connection),
            namer=load_namer(connection, receipt_days=self._settings.receipt_days),
        )
        self._version = version
        metrics.CATALOG_RELOADS.labels(self._role).inc()
        return True

    def close(self) -> None:
        """Disconnect; the next look connects again."""
        self._database.close()
