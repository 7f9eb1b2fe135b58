"""The catalog as the broker door sees it: at most a second old."""

import time

import psycopg

from ingest.domain.errors import Unavailable
from ingest.doors.catalogs import CatalogReader, KnownCatalog
from ingest.settings import Settings

_FRESH_SECONDS = 1.0


class BrokerCatalog:
    """Looks when it is asked, and no more often than once a second.

    While Postgres is away, the last one known stays good.
    """

    def __init__(self, settings: Settings) -> None:
        self._reader = CatalogReader(
            settings, application_name="penstock-consume", role="consumer"
        )
        self._looked_at = float("-inf")

    def get(self) -> KnownCatalog:
        """Return what is known; Unavailable before it could first be read."""
        now = time.monotonic()
        if not self._reader.is_loaded or now - self._looked_at >= _FRESH_SECONDS:
            self._looked_at = now
            self._look()
        return self._reader.known

    def close(self) -> None:
        """Disconnect."""
        self._reader.close()

    def _look(self) -> None:
        try:
            self._reader.refresh()
        except psycopg.Error as error:
            self.close()
            if not self._reader.is_loaded:
                raise Unavailable("The catalog cannot be read") from error
