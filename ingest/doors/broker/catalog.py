"""The catalog as the broker door sees it: at most a second old."""

import time

import psycopg

from ingest.domain.catalog import Catalog
from ingest.domain.errors import Unavailable
from ingest.domain.identities import Namer
from ingest.domain.limits import DEFAULT_LIMITS, ProfileLimits
from ingest.store.catalog.load import load_catalog, load_version
from ingest.store.database import LateConnection
from ingest.store.installation import load_namer
from ingest.telemetry import metrics

_FRESH_SECONDS = 1.0


class BrokerCatalog:
    """Reads the catalog when it has changed.

    While Postgres is away, the last one known stays good.
    """

    def __init__(
        self,
        database_url: str,
        limits: ProfileLimits = DEFAULT_LIMITS,
        *,
        receipt_days: int,
    ) -> None:
        self._database = LateConnection(
            database_url, application_name="penstock-consume"
        )
        self._limits = limits
        self._receipt_days = receipt_days
        self._namer: Namer | None = None
        self._catalog: Catalog | None = None
        self._version: int | None = None
        self._looked_at = float("-inf")

    def get(self) -> Catalog:
        """Return the catalog; Unavailable before it could first be read."""
        now = time.monotonic()
        if self._catalog is None or now - self._looked_at >= _FRESH_SECONDS:
            self._looked_at = now
            self._look()
        if self._catalog is None:
            raise Unavailable("The catalog is not loaded yet")
        return self._catalog

    def get_namer(self) -> Namer:
        """Return what makes ids of names; Unavailable before it could be read."""
        if self._namer is None:
            raise Unavailable("The catalog is not loaded yet")
        return self._namer

    def close(self) -> None:
        """Disconnect."""
        self._database.close()

    def _look(self) -> None:
        try:
            connection = self._database.get()
            # First: what changes while the rest is read is then read again.
            version = load_version(connection)
            if version != self._version:
                self._namer = load_namer(connection, receipt_days=self._receipt_days)
                self._catalog = load_catalog(connection, self._limits)
                self._version = version
                metrics.CATALOG_RELOADS.labels("consumer").inc()
        except psycopg.Error as error:
            self.close()
            if self._catalog is None:
                raise Unavailable("The catalog cannot be read") from error
